package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's Java client, driven by tests/clients (options, commands and events: ../README.md). */
public final class Client {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final Map<String, String> ASSIGNORS = Map.of(
            "range", "org.apache.kafka.clients.consumer.RangeAssignor",
            "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            "sticky", "org.apache.kafka.clients.consumer.StickyAssignor",
            "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private final JsonNode options;

    private Client(JsonNode options) {
        this.options = options;
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(JSON.readTree(arguments[1]));
        switch (arguments[0]) {
            case "produce":
                client.produce();
                break;
            case "member":
                client.member();
                break;
            case "first_records":
                client.firstRecords();
                break;
            case "admin":
                new AdminCalls(client.settings(), client.options).run();
                break;
            default:
                throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0);
    }

    static void emit(String event, Map<String, ?> fields) throws Exception {
        Map<String, Object> line = new TreeMap<>(fields);
        line.put("event", event);
        String text = JSON.writeValueAsString(line);
        synchronized (System.out) {
            System.out.println(text);
            System.out.flush();
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.get("bootstrap").asText());
        settings.put("client.id", options.path("client_id").asText("java"));
        if (options.has("ca")) {
            settings.put("security.protocol", "SSL");
            settings.put("ssl.truststore.type", "PEM");
            settings.put("ssl.truststore.location", options.get("ca").asText());
        }
        return settings;
    }

    private void produce() throws Exception {
        Properties settings = settings();
        settings.put("enable.idempotence", options.path("idempotent").asBoolean(true));
        settings.put("compression.type", options.path("compression").asText("none"));
        settings.put("linger.ms", "5");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (JsonNode batch : options.get("batches")) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (JsonNode record : batch) {
                    sent.add(producer.send(toRecord(record)));
                }
                for (Future<RecordMetadata> future : sent) {
                    RecordMetadata metadata = future.get();
                    emit("sent", Map.of("partition", metadata.partition(), "offset", metadata.offset()));
                }
            }
        }
    }

    private ProducerRecord<String, String> toRecord(JsonNode json) {
        ProducerRecord<String, String> record = new ProducerRecord<>(
                options.get("topic").asText(),
                json.get("partition").asInt(),
                json.has("timestamp") ? json.get("timestamp").asLong() : null,
                json.get("key").asText(),
                json.get("value").asText());
        json.path("headers").fields().forEachRemaining(header ->
                record.headers().add(header.getKey(), header.getValue().asText().getBytes(StandardCharsets.UTF_8)));
        return record;
    }

    private void member() throws Exception {
        Properties settings = settings();
        String protocol = options.path("protocol").asText("classic");
        settings.put("group.protocol", protocol);
        settings.put("group.id", options.get("group").asText());
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", options.get("auto_commit").asBoolean());
        settings.put("auto.commit.interval.ms", "100");
        if (protocol.equals("classic")) {
            settings.put("partition.assignment.strategy", ASSIGNORS.get(options.path("assignor").asText("range")));
            settings.put("session.timeout.ms", options.path("session_timeout_ms").asInt(30_000));
            settings.put("heartbeat.interval.ms", options.path("heartbeat_interval_ms").asInt(500));
        } else if (options.has("assignor")) {
            settings.put("group.remote.assignor", options.get("assignor").asText());
        }
        settings.put("fetch.max.wait.ms", "250");
        settings.put("metadata.max.age.ms", "1000");
        settings.put("metadata.recovery.strategy", options.path("metadata_recovery").asText("rebootstrap"));
        if (options.has("instance_id")) {
            settings.put("group.instance.id", options.get("instance_id").asText());
        }
        AtomicBoolean askedToStop = new AtomicBoolean();
        Thread stdin = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
            askedToStop.set(true);
        });
        stdin.setDaemon(true);
        stdin.start();
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            if (options.has("pattern") && protocol.equals("classic")) {
                consumer.subscribe(Pattern.compile(options.get("pattern").asText()), new EmitAssignments());
            } else if (options.has("pattern")) {
                consumer.subscribe(new SubscriptionPattern(options.get("pattern").asText()), new EmitAssignments());
            } else {
                consumer.subscribe(List.of(options.get("topic").asText()), new EmitAssignments());
            }
            int remaining = options.path("stop_after").asInt(Integer.MAX_VALUE);
            while (remaining > 0 && !askedToStop.get()) {
                remaining -= read(consumer);
            }
        }
    }

    private void firstRecords() throws Exception {
        Properties settings = settings();
        settings.put("group.protocol", options.path("protocol").asText("classic"));
        settings.put("auto.offset.reset", "earliest");
        for (JsonNode group : options.get("groups")) {
            settings.put("group.id", group.asText());
            Instant began;
            long tookNs;
            try (KafkaConsumer<String, String> consumer =
                    new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
                began = Instant.now();
                long beginNs = System.nanoTime();
                consumer.subscribe(List.of(options.get("topic").asText()));
                if (consumer.poll(TIMEOUT).isEmpty()) {
                    throw new TimeoutException();
                }
                tookNs = System.nanoTime() - beginNs;
            }
            double beganMs = ChronoUnit.MICROS.between(Instant.EPOCH, began) / 1e3;
            emit("first_record", Map.of("group", group.asText(), "began_ms", beganMs, "ms", tookNs / 1e6));
        }
    }

    private int read(KafkaConsumer<String, String> consumer) throws Exception {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
        for (ConsumerRecord<String, String> record : records) {
            Map<String, String> headers = new TreeMap<>();
            for (Header header : record.headers()) {
                headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
            }
            emit("record", Map.of(
                    "partition", record.partition(),
                    "offset", record.offset(),
                    "key", record.key(),
                    "value", record.value(),
                    "headers", headers));
        }
        if (!options.get("auto_commit").asBoolean() && !records.isEmpty()) {
            Map<TopicPartition, OffsetAndMetadata> offsets = records.nextOffsets();
            consumer.commitSync(offsets, TIMEOUT);
            for (Map.Entry<TopicPartition, OffsetAndMetadata> entry : offsets.entrySet()) {
                emit("committed", Map.of("partition", entry.getKey().partition(), "offset", entry.getValue().offset()));
            }
        }
        return records.count();
    }

    /** Prints the whole assignment whenever it changes, incrementally or not. */
    private static final class EmitAssignments implements ConsumerRebalanceListener {
        private final TreeSet<Integer> partitions = new TreeSet<>();

        private static Collection<Integer> numbers(Collection<TopicPartition> partitions) {
            return partitions.stream().map(TopicPartition::partition).collect(Collectors.toList());
        }

        private void emitAssignment() {
            try {
                emit("assigned", Map.of("partitions", partitions));
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
            partitions.addAll(numbers(assigned));
            emitAssignment();
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
            partitions.removeAll(numbers(revoked));
            emitAssignment();
        }
    }
}

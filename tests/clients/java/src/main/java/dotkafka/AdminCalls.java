package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Calls of the Java admin client: options.calls is [[name, arguments...], ...]; one event each, with result or error. */
final class AdminCalls {
    private final Properties settings;
    private final JsonNode calls;
    private Admin admin;

    AdminCalls(Properties settings, JsonNode options) {
        this.settings = settings;
        this.calls = options.get("calls");
    }

    void run() throws Exception {
        settings.put("request.timeout.ms", "15000");
        settings.put("default.api.timeout.ms", "20000");
        try (Admin opened = Admin.create(settings)) {
            admin = opened;
            for (JsonNode call : calls) {
                String name = call.get(0).asText();
                try {
                    Map<String, Object> event = new TreeMap<>();
                    event.put("result", call(name, call));
                    Client.emit(name, event);
                } catch (ExecutionException error) {
                    Client.emit(name, Map.of("error", error.getCause().getClass().getSimpleName()));
                }
            }
        }
    }

    private Object call(String name, JsonNode call) throws Exception {
        String subject = call.path(1).asText();
        switch (name) {
            case "describeCluster":
                return admin.describeCluster().nodes().get().stream().map(AdminCalls::address).collect(Collectors.toList());
            case "createTopics":
                admin.createTopics(List.of(new NewTopic(subject, call.get(2).asInt(), (short) 1))).all().get();
                return null;
            case "listTopics":
                return admin.listTopics().names().get();
            case "describeTopics":
                return admin.describeTopics(List.of(subject)).allTopicNames().get().get(subject).partitions().size();
            case "createPartitions":
                admin.createPartitions(Map.of(subject, NewPartitions.increaseTo(call.get(2).asInt()))).all().get();
                return null;
            case "deleteTopics":
                admin.deleteTopics(List.of(subject)).all().get();
                return null;
            case "incrementalAlterConfigs":
                alterConfig(ConfigResource.Type.TOPIC, subject, call.get(2).asText(), call.get(3).asText());
                return null;
            case "describeConfigs":
                return config(ConfigResource.Type.TOPIC, subject, call.get(2).asText());
            case "listOffsets":
                return listOffsets(subject, call.get(2).asInt(), call.get(3).asLong());
            case "deleteRecords":
                TopicPartition partition = new TopicPartition(subject, call.get(2).asInt());
                return admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(call.get(3).asLong())))
                        .lowWatermarks().get(partition).get().lowWatermark();
            default:
                return callOfGroup(name, subject, call);
        }
    }

    private Object callOfGroup(String name, String group, JsonNode call) throws Exception {
        switch (name) {
            case "listGroups":
                List<String> groups = new ArrayList<>();
                for (GroupListing listing : admin.listGroups().all().get()) {
                    groups.add(listing.groupId());
                }
                return groups;
            case "describeConsumerGroups":
                ConsumerGroupDescription description =
                        admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                return Map.of("state", description.groupState().toString(), "members", description.members().size());
            case "listConsumerGroupOffsets":
                Map<Integer, Long> offsets = new TreeMap<>();
                for (Map.Entry<TopicPartition, OffsetAndMetadata> entry :
                        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet()) {
                    offsets.put(entry.getKey().partition(), entry.getValue().offset());
                }
                return offsets;
            case "alterConsumerGroupOffsets":
                TopicPartition partition = new TopicPartition(call.get(2).asText(), call.get(3).asInt());
                OffsetAndMetadata offset = new OffsetAndMetadata(call.get(4).asLong(), Optional.empty(), "");
                admin.alterConsumerGroupOffsets(group, Map.of(partition, offset)).all().get();
                return null;
            case "alterGroupConfigs":
                alterConfig(ConfigResource.Type.GROUP, group, call.get(2).asText(), call.get(3).asText());
                return null;
            case "describeGroupConfigs":
                return config(ConfigResource.Type.GROUP, group, call.get(2).asText());
            case "groupType":
                for (GroupListing listing : admin.listGroups().all().get()) {
                    if (listing.groupId().equals(group)) {
                        return listing.type().get().toString();
                    }
                }
                return null;
            case "deleteConsumerGroups":
                admin.deleteConsumerGroups(List.of(group)).all().get();
                return null;
            default:
                throw new IllegalArgumentException(name);
        }
    }

    private String config(ConfigResource.Type type, String subject, String name) throws Exception {
        ConfigResource resource = new ConfigResource(type, subject);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    private void alterConfig(ConfigResource.Type type, String subject, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(type, subject);
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
    }

    /** Wire values: -1 latest, -2 earliest, -3 the offset of the highest timestamp, else a timestamp. */
    private long listOffsets(String topic, int index, long timestampMs) throws Exception {
        OffsetSpec spec = OffsetSpec.forTimestamp(timestampMs);
        if (timestampMs == -1) {
            spec = OffsetSpec.latest();
        } else if (timestampMs == -2) {
            spec = OffsetSpec.earliest();
        } else if (timestampMs == -3) {
            spec = OffsetSpec.maxTimestamp();
        }
        TopicPartition partition = new TopicPartition(topic, index);
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static String address(Node node) {
        return node.host() + ":" + node.port();
    }
}

package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.security.Security;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.message.DeleteGroupsRequestData;
import org.apache.kafka.common.message.DeleteGroupsResponseData;
import org.apache.kafka.common.message.DescribeGroupsRequestData;
import org.apache.kafka.common.message.DescribeGroupsResponseData;
import org.apache.kafka.common.message.HeartbeatRequestData;
import org.apache.kafka.common.message.JoinGroupRequestData;
import org.apache.kafka.common.message.JoinGroupResponseData;
import org.apache.kafka.common.message.LeaveGroupRequestData;
import org.apache.kafka.common.message.ListGroupsRequestData;
import org.apache.kafka.common.message.ListGroupsResponseData;
import org.apache.kafka.common.message.OffsetCommitRequestData;
import org.apache.kafka.common.message.OffsetDeleteRequestData;
import org.apache.kafka.common.message.OffsetFetchRequestData;
import org.apache.kafka.common.message.OffsetFetchResponseData;
import org.apache.kafka.common.message.SyncGroupRequestData;
import org.apache.kafka.common.message.SyncGroupResponseData;
import org.apache.kafka.common.network.ClientInformation;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.requests.JoinGroupResponse;
import org.apache.kafka.common.requests.RequestContext;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.coordinator.common.runtime.CoordinatorExecutor;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataImage;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.common.runtime.CoordinatorResult;
import org.apache.kafka.coordinator.common.runtime.CoordinatorTimer;
import org.apache.kafka.coordinator.group.GroupConfigManager;
import org.apache.kafka.coordinator.group.GroupCoordinatorConfig;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.GroupCoordinatorShard;
import org.apache.kafka.coordinator.group.metrics.GroupCoordinatorMetrics;
import org.apache.kafka.coordinator.group.modern.share.ShareGroupConfig;
import org.apache.kafka.timeline.SnapshotRegistry;

/**
 * Coordinates groups with Apache Kafka's own group coordinator, on virtual time.
 *
 * <p>A question has one of three things to do ("coordinate"): "begin", at "time", with "config",
 * anew or as a "restart" from the records; "request", of the
 * API with the key "api" at "version", whose bytes are "hex", from "client", its answer to be called "to"; or "wait" for so many
 * "ms". The answer has the "replies" that have come of it, in their order: "to" and "hex", or "error" where the shard
 * has refused the request with that code; and the "records" that were written, each "key" and "value" in hex.
 *
 * <p>What Kafka does around the shard is done here as it does it: records are replayed, then written, then answered for.
 */
final class Coordinator {
    private static Coordinator current;

    static {
        // Member ids are random, and with them the order of hash tables: the same questions are to have the same answers.
        Security.insertProviderAt(new RepeatableRandom.Offer(), 1);
    }

    private final VirtualTime time;
    private final VirtualTimer timer = new VirtualTimer();
    private final GroupCoordinatorShard shard;
    private final GroupCoordinatorRecordSerde serde = new GroupCoordinatorRecordSerde();
    private final List<CoordinatorRecord> log = new ArrayList<>();
    private ObjectNode answer;

    private Coordinator(JsonNode question, List<CoordinatorRecord> earlier) {
        Map<String, Object> settings = new HashMap<>();
        question.get("config").fields().forEachRemaining(
                setting -> settings.put(setting.getKey(), setting.getValue().asText()));
        AbstractConfig all = new AbstractConfig(
                Utils.mergeConfigs(
                        List.of(GroupCoordinatorConfig.CONFIG_DEF, ShareGroupConfig.CONFIG_DEF)), settings, false);
        GroupCoordinatorConfig config = new GroupCoordinatorConfig(all);
        time = new VirtualTime(question.get("time").asLong());
        GroupCoordinatorShard.Builder builder = new GroupCoordinatorShard.Builder(
                config, new GroupConfigManager(Map.of(), config, new ShareGroupConfig(all)));
        builder.withAuthorizerPlugin(Optional.empty());
        shard = builder.withLogContext(new LogContext())
                .withSnapshotRegistry(new SnapshotRegistry(new LogContext()))
                .withTime(time)
                .withTimer(timer)
                .withExecutor(new NoExecutor())
                .withCoordinatorMetrics(new GroupCoordinatorMetrics())
                .withTopicPartition(new TopicPartition("__consumer_offsets", 0))
                .build();
        earlier.forEach(this::replay);
        shard.onLoaded(CoordinatorMetadataImage.EMPTY);
    }

    static ObjectNode answer(JsonNode question) throws Exception {
        String what = question.get("coordinate").asText();
        ObjectNode answer = Oracle.JSON.createObjectNode();
        answer.putArray("replies");
        answer.putArray("records");
        if (what.equals("begin")) {
            boolean isRestart = question.get("restart").asBoolean();
            if (!isRestart) {
                RepeatableRandom.begin();
            }
            current = new Coordinator(question, isRestart ? current.log : List.of());
            return answer;
        }
        current.answer = answer;
        if (what.equals("wait")) {
            current.passTime(question.get("ms").asLong());
        } else {
            current.request(question);
        }
        return answer;
    }

    private void passTime(long ms) {
        long end = time.now + ms;
        for (Timeout next = timer.next(end); next != null; next = timer.next(end)) {
            time.now = Math.max(time.now, next.deadline);
            timer.timeouts.remove(next.key);
            write(next.operation.generateRecords());
        }
        time.now = end;
    }

    private void request(JsonNode question) throws Exception {
        String to = question.get("to").asText();
        short version = (short) question.get("version").asInt();
        ApiKeys api = ApiKeys.forId(question.get("api").asInt());
        RequestContext context = new RequestContext(
                new RequestHeader(api, version, question.get("client").asText(), 1), "1",
                InetAddress.getByName("127.0.0.1"), KafkaPrincipal.ANONYMOUS, new ListenerName("any"),
                SecurityProtocol.PLAINTEXT, ClientInformation.EMPTY, false);
        Message request = api.messageType.newRequest();
        request.read(new ByteBufferAccessor(
                ByteBuffer.wrap(HexFormat.of().parseHex(question.get("hex").asText()))), version);
        try {
            serve(context, request, to, version);
        } catch (Exception error) {
            ((ArrayNode) answer.get("replies")).addObject().put("to", to).put("error", Errors.forException(error).code());
        }
    }

    private void serve(RequestContext context, Message request, String to, short version) {
        long latest = Long.MAX_VALUE;
        if (request instanceof JoinGroupRequestData join) {
            CompletableFuture<JoinGroupResponseData> future = new CompletableFuture<>();
            future.thenAccept(response -> reply(to, new JoinGroupResponse(response, version).data(), version));
            write(shard.classicGroupJoin(context, join, future));
        } else if (request instanceof SyncGroupRequestData sync) {
            CompletableFuture<SyncGroupResponseData> future = new CompletableFuture<>();
            future.thenAccept(response -> reply(to, response, version));
            write(shard.classicGroupSync(context, sync, future));
        } else if (request instanceof HeartbeatRequestData heartbeat) {
            reply(to, write(shard.classicGroupHeartbeat(context, heartbeat)), version);
        } else if (request instanceof LeaveGroupRequestData leave) {
            reply(to, write(shard.classicGroupLeave(context, leave)), version);
        } else if (request instanceof OffsetCommitRequestData commit) {
            reply(to, write(shard.commitOffset(context, commit)), version);
        } else if (request instanceof OffsetDeleteRequestData delete) {
            reply(to, write(shard.deleteOffsets(context, delete)), version);
        } else if (request instanceof OffsetFetchRequestData fetch) {
            OffsetFetchResponseData response = new OffsetFetchResponseData();
            fetch.groups().forEach(group -> response.groups().add(shard.fetchOffsets(group, latest)));
            reply(to, response, version);
        } else if (request instanceof DescribeGroupsRequestData describe) {
            reply(to, new DescribeGroupsResponseData()
                    .setGroups(shard.describeGroups(context, describe.groups(), latest)), version);
        } else if (request instanceof ListGroupsRequestData list) {
            reply(to, new ListGroupsResponseData()
                    .setGroups(shard.listGroups(list.statesFilter(), list.typesFilter(), latest)), version);
        } else if (request instanceof DeleteGroupsRequestData delete) {
            reply(to, new DeleteGroupsResponseData()
                    .setResults(write(shard.deleteGroups(context, delete.groupsNames()))), version);
        } else {
            throw new IllegalArgumentException("not a request of classic groups: " + request);
        }
    }

    private <T> T write(CoordinatorResult<T, CoordinatorRecord> result) {
        for (CoordinatorRecord record : result.records()) {
            if (result.replayRecords()) {
                replay(record);
            } else {
                log.add(record);
            }
            byte[] value = serde.serializeValue(record);
            ((ArrayNode) answer.get("records")).addObject()
                    .put("key", HexFormat.of().formatHex(serde.serializeKey(record)))
                    .put("value", value == null ? null : HexFormat.of().formatHex(value));
        }
        if (result.appendFuture() != null) {
            result.appendFuture().complete(null);
        }
        return result.response();
    }

    private void replay(CoordinatorRecord record) {
        shard.replay(log.size(), -1, (short) -1, record);
        log.add(record);
    }

    private void reply(String to, Message response, short version) {
        ByteBuffer bytes = MessageUtil.toByteBufferAccessor(response, version).buffer();
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        ((ArrayNode) answer.get("replies")).addObject().put("to", to).put("hex", HexFormat.of().formatHex(copy));
    }

    private static final class VirtualTime implements Time {
        private long now;

        private VirtualTime(long now) {
            this.now = now;
        }

        @Override
        public long milliseconds() {
            return now;
        }

        @Override
        public long nanoseconds() {
            return TimeUnit.MILLISECONDS.toNanos(now);
        }

        @Override
        public void sleep(long ms) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void waitObject(Object object, Supplier<Boolean> condition, long deadline) {
            throw new UnsupportedOperationException();
        }
    }

    private record Timeout(
            String key, long deadline, CoordinatorTimer.TimeoutOperation<CoordinatorRecord> operation) {
    }

    private final class VirtualTimer implements CoordinatorTimer<CoordinatorRecord> {
        private final Map<String, Timeout> timeouts = new HashMap<>();

        private Timeout next(long end) {
            return new ArrayList<>(timeouts.values()).stream()
                    .filter(timeout -> timeout.deadline <= end)
                    .min((one, other) -> Long.compare(one.deadline, other.deadline))
                    .orElse(null);
        }

        @Override
        public void schedule(
                String key, long delay, TimeUnit unit, boolean retry, TimeoutOperation<CoordinatorRecord> operation) {
            timeouts.put(key, new Timeout(key, time.now + unit.toMillis(delay), operation));
        }

        @Override
        public void schedule(
                String key, long delay, TimeUnit unit, boolean retry, long retryBackoff,
                TimeoutOperation<CoordinatorRecord> operation) {
            schedule(key, delay, unit, retry, operation);
        }

        @Override
        public void scheduleIfAbsent(
                String key, long delay, TimeUnit unit, boolean retry, TimeoutOperation<CoordinatorRecord> operation) {
            if (!timeouts.containsKey(key)) {
                schedule(key, delay, unit, retry, operation);
            }
        }

        @Override
        public void cancel(String key) {
            timeouts.remove(key);
        }

        @Override
        public boolean isScheduled(String key) {
            return timeouts.containsKey(key);
        }
    }

    /** Classic groups have nothing done in the background. */
    private static final class NoExecutor implements CoordinatorExecutor<CoordinatorRecord> {
        @Override
        public <R> boolean schedule(String key, TaskRunnable<R> task, TaskOperation<CoordinatorRecord, R> operation) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isScheduled(String key) {
            return false;
        }

        @Override
        public void cancel(String key) {
        }
    }
}

package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.apache.kafka.common.utils.Utils;

/**
 * Reads ("read": bytes in hex) and writes ("write": a batch) record batches and message sets, magic 0, 1 and 2.
 *
 * <p>The answer to the first is "batches", to the second "hex". A batch in JSON is the same both ways, except that the
 * records of control batches have keys and values only when read.
 */
final class Records {
    private Records() {
    }

    static ObjectNode answer(JsonNode question) {
        ObjectNode answer = Oracle.JSON.createObjectNode();
        if (question.has("write")) {
            return answer.put("hex", HexFormat.of().formatHex(Utils.toArray(write(question.get("write")))));
        }
        ArrayNode batches = answer.putArray("batches");
        ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(question.get("read").asText()));
        for (RecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            batches.add(read(batch));
        }
        return answer;
    }

    private static ObjectNode read(RecordBatch batch) {
        batch.ensureValid();
        ObjectNode node = Oracle.JSON.createObjectNode();
        node.put("magic", batch.magic());
        node.put("compression", batch.compressionType().name);
        node.put("lastOffset", batch.lastOffset());
        node.put("maxTimestamp", batch.maxTimestamp());
        node.put("isLogAppendTime", batch.timestampType() == TimestampType.LOG_APPEND_TIME);
        node.put("leaderEpoch", batch.partitionLeaderEpoch());
        node.put("producerId", batch.producerId());
        node.put("producerEpoch", batch.producerEpoch());
        node.put("baseSequence", batch.baseSequence());
        node.put("isTransactional", batch.isTransactional());
        node.put("isControl", batch.isControlBatch());
        OptionalLong deleteHorizon = batch.deleteHorizonMs();
        node.put("deleteHorizon", deleteHorizon.isPresent() ? deleteHorizon.getAsLong() : RecordBatch.NO_TIMESTAMP);
        ArrayNode records = node.putArray("records");
        for (Record record : batch) {
            record.ensureValid();
            records.add(read(record, batch.isControlBatch()));
        }
        // An older batch reads all its records to know it.
        node.put("baseOffset", batch.magic() < 2 ? records.get(0).get("offset").asLong() : batch.baseOffset());
        return node;
    }

    private static ObjectNode read(Record record, boolean isControl) {
        ObjectNode node = Oracle.JSON.createObjectNode();
        node.put("offset", record.offset());
        node.put("timestamp", record.timestamp());
        node.put("key", hex(record.hasKey() ? Utils.toArray(record.key()) : null));
        node.put("value", hex(record.hasValue() ? Utils.toArray(record.value()) : null));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(hex(header.value()));
        }
        if (isControl) {
            EndTransactionMarker marker = EndTransactionMarker.deserialize(record);
            node.put("marker", marker.controlType().name()).put("coordinatorEpoch", marker.coordinatorEpoch());
        }
        return node;
    }

    private static ByteBuffer write(JsonNode batch) {
        byte magic = (byte) batch.get("magic").asInt();
        boolean isControl = batch.get("isControl").asBoolean();
        TimestampType timestampType =
                batch.get("isLogAppendTime").asBoolean() ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME;
        ByteBufferOutputStream bytes = new ByteBufferOutputStream(1 << 16);
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(
                bytes,
                magic,
                Compression.of(CompressionType.forName(batch.get("compression").asText())).build(),
                magic == RecordBatch.MAGIC_VALUE_V0 ? TimestampType.NO_TIMESTAMP_TYPE : timestampType,
                batch.get("baseOffset").asLong(),
                batch.get("maxTimestamp").asLong(),
                batch.get("producerId").asLong(),
                (short) batch.get("producerEpoch").asInt(),
                batch.get("baseSequence").asInt(),
                batch.get("isTransactional").asBoolean(),
                isControl,
                batch.get("leaderEpoch").asInt(),
                Integer.MAX_VALUE,
                batch.get("deleteHorizon").asLong());
        for (JsonNode record : batch.get("records")) {
            long timestamp = record.get("timestamp").asLong();
            if (isControl) {
                ControlRecordType type = ControlRecordType.valueOf(record.get("marker").asText());
                int coordinatorEpoch = record.get("coordinatorEpoch").asInt();
                builder.appendEndTxnMarker(timestamp, new EndTransactionMarker(type, coordinatorEpoch));
            } else {
                byte[] key = bytes(record.get("key"));
                byte[] value = bytes(record.get("value"));
                builder.appendWithOffset(record.get("offset").asLong(), timestamp, key, value, headers(record));
            }
        }
        return builder.build().buffer();
    }

    private static Header[] headers(JsonNode record) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.get("headers")) {
            headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        }
        return headers.toArray(new Header[0]);
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? null : HexFormat.of().formatHex(bytes);
    }

    private static byte[] bytes(JsonNode hex) {
        return hex.isNull() ? null : HexFormat.of().parseHex(hex.asText());
    }
}

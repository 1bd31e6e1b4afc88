package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.MessageFormatter;
import org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter;
import org.apache.kafka.tools.consumer.OffsetsMessageFormatter;

/**
 * Prints records of __consumer_offsets as kafka-console-consumer does.
 *
 * <p>A question names the formatter ("format": "offsets" or "groups") and has the "records", pairs of key and value in
 * hex. The answer has the "lines", JSON themselves; records of other kinds make none.
 */
final class InternalTopic {
    private InternalTopic() {
    }

    static ObjectNode answer(JsonNode question) throws Exception {
        ObjectNode answer = Oracle.JSON.createObjectNode();
        ArrayNode lines = answer.putArray("lines");
        try (MessageFormatter formatter = question.get("format").asText().equals("offsets")
                ? new OffsetsMessageFormatter() : new GroupMetadataMessageFormatter()) {
            formatter.configure(Map.of());
            for (JsonNode record : question.get("records")) {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
                formatter.writeTo(new ConsumerRecord<>(
                        "__consumer_offsets", 0, 0, parsed(record.get(0)), parsed(record.get(1))), out);
                String text = bytes.toString(StandardCharsets.UTF_8).strip();
                if (!text.isEmpty()) {
                    lines.add(Oracle.JSON.readTree(text));
                }
            }
        }
        return answer;
    }

    private static byte[] parsed(JsonNode hex) {
        return hex.isNull() ? null : HexFormat.of().parseHex(hex.asText());
    }
}

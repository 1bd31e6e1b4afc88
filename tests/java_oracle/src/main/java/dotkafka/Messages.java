package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Decodes and encodes messages with Apache Kafka's own classes.
 *
 * <p>A question names a message and a version. With "hex" the bytes are decoded; with "json" the message is read from
 * JSON; with neither it is one whose fields nobody has set. The answer has the message encoded ("hex") and as JSON
 * ("json"), the bytes that decoding left over ("left"); and to a question without a version, the versions that Kafka
 * has.
 */
final class Messages {
    private static final List<String> PACKAGES = List.of(
            "org.apache.kafka.common.message.",
            "org.apache.kafka.common.metadata.",
            "org.apache.kafka.coordinator.group.generated.",
            "org.apache.kafka.coordinator.share.generated.",
            "org.apache.kafka.coordinator.transaction.generated.");

    private Messages() {
    }

    static ObjectNode answer(JsonNode question) throws Exception {
        ObjectNode answer = Oracle.JSON.createObjectNode();
        Class<?> messageClass = messageClass(question.get("message").asText());
        if (question.has("version")) {
            convert(messageClass, question, answer);
        } else if (messageClass != null) {
            Message message = (Message) messageClass.getConstructor().newInstance();
            answer.put("lowest", message.lowestSupportedVersion());
            answer.put("highest", message.highestSupportedVersion());
        }
        return answer;
    }

    private static Class<?> messageClass(String name) {
        for (String prefix : PACKAGES) {
            for (String suffix : List.of("Data", "")) {
                try {
                    return Class.forName(prefix + name + suffix);
                } catch (ClassNotFoundException error) {
                    continue;
                }
            }
        }
        return null;
    }

    private static void convert(Class<?> messageClass, JsonNode question, ObjectNode answer) throws Exception {
        short version = (short) question.get("version").asInt();
        Class<?> converter = Class.forName(messageClass.getName() + "JsonConverter");
        Message message = (Message) messageClass.getConstructor().newInstance();
        if (question.has("json")) {
            message = (Message) converter.getMethod("read", JsonNode.class, short.class)
                    .invoke(null, question.get("json"), version);
        } else if (question.has("hex")) {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(question.get("hex").asText()));
            message.read(new ByteBufferAccessor(bytes), version);
            answer.put("left", bytes.remaining());
        }
        Method write = converter.getMethod("write", messageClass, short.class);
        answer.set("json", (JsonNode) write.invoke(null, message, version));
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer encoded = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(encoded), cache, version);
        answer.put("hex", HexFormat.of().formatHex(encoded.array()));
    }
}

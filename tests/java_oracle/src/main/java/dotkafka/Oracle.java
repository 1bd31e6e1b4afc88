package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Answers with Apache Kafka's own code, one JSON line for each JSON line: see Messages, Records,
 * Assignors, Coordinator and InternalTopic; or with "error". */
public final class Oracle {
    static final ObjectMapper JSON = new ObjectMapper();

    private Oracle() {
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            answers.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
            answers.flush();
        }
    }

    private static ObjectNode answer(JsonNode question) {
        try {
            if (question.has("assignor")) {
                return Assignors.answer(question);
            }
            if (question.has("coordinate")) {
                return Coordinator.answer(question);
            }
            if (question.has("format")) {
                return InternalTopic.answer(question);
            }
            return question.has("message") ? Messages.answer(question) : Records.answer(question);
        } catch (Exception error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            return JSON.createObjectNode().put("error", cause.toString());
        }
    }
}

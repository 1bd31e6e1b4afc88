package dotkafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.MemberAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/**
 * Assigns with the assignors of Apache Kafka's group coordinator.
 *
 * <p>A question names the "assignor"; "members" has for each its "topics", its "instance" or null, and what it has
 * ("current"); "counts" has the partitions of each topic. Topics are numbers. What members have are pairs of a topic
 * and a partition, and so is the answer: "targets", by member.
 */
final class Assignors {
    private Assignors() {
    }

    static ObjectNode answer(JsonNode question) {
        Map<Uuid, Integer> counts = new HashMap<>();
        question.get("counts").fields().forEachRemaining(
                count -> counts.put(topic(Long.parseLong(count.getKey())), count.getValue().asInt()));
        Map<String, MemberSubscriptionAndAssignmentImpl> members = new TreeMap<>();
        Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
        Set<Set<Uuid>> subscriptions = new HashSet<>();
        question.get("members").fields().forEachRemaining(entry -> {
            JsonNode member = entry.getValue();
            Set<Uuid> topics = new HashSet<>();
            member.get("topics").forEach(number -> topics.add(topic(number.asLong())));
            subscriptions.add(topics);
            Map<Uuid, Set<Integer>> current = new HashMap<>();
            for (JsonNode pair : member.get("current")) {
                Uuid id = topic(pair.get(0).asLong());
                current.computeIfAbsent(id, key -> new HashSet<>()).add(pair.get(1).asInt());
                owners.computeIfAbsent(id, key -> new HashMap<>()).put(pair.get(1).asInt(), entry.getKey());
            }
            members.put(entry.getKey(), new MemberSubscriptionAndAssignmentImpl(
                    Optional.empty(), Optional.ofNullable(member.get("instance").textValue()), topics,
                    new Assignment(current)));
        });
        SubscriptionType type =
                subscriptions.size() == 1 ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        GroupSpecImpl group = new GroupSpecImpl(members, type, owners, Optional.empty());
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            @Override
            public int numPartitions(Uuid id) {
                return counts.getOrDefault(id, -1);
            }

            @Override
            public Set<String> racksForPartition(Uuid id, int partition) {
                return Set.of();
            }
        };
        GroupAssignment assignment = question.get("assignor").asText().equals("range")
                ? new RangeAssignor().assign(group, describer)
                : new UniformAssignor().assign(group, describer);
        ObjectNode answer = Oracle.JSON.createObjectNode();
        ObjectNode targets = answer.putObject("targets");
        for (String member : members.keySet()) {
            ArrayNode pairs = targets.putArray(member);
            MemberAssignment assigned = assignment.members().get(member);
            if (assigned != null) {
                assigned.partitions().forEach((id, partitions) -> partitions.forEach(partition ->
                        pairs.addArray().add(id.getLeastSignificantBits()).add(partition)));
            }
        }
        return answer;
    }

    private static Uuid topic(long number) {
        return new Uuid(1, number);
    }
}

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * What the Java client can do and the tests of the clients do not try: transactions, the newer kinds of groups, and most of the admin client.
 * record.py runs it. Many calls are refused, which is an answer too.
 */
public final class JavaTour {
    private static final String TOPIC = "tour";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final Duration PATIENCE = Duration.ofMillis(500);
    private static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        try (Admin admin = Admin.create(settings())) {
            admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1))).all().get();
            transactions(admin);
            consumerGroups(admin);
            shareGroups(admin);
            partitions(admin);
            cluster(admin);
            access(admin);
        }
    }

    private static Properties settings(String... more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", "java");
        settings.put("auto.offset.reset", "earliest");
        for (int index = 0; index < more.length; index += 2) {
            settings.put(more[index], more[index + 1]);
        }
        return settings;
    }

    /** Prints what a call came to. */
    private static void call(String name, Callable<?> call) throws Exception {
        try {
            System.out.println(name + ": " + call.call());
        } catch (ExecutionException | KafkaException error) {
            System.out.println(name + ": " + error.getMessage());
        }
    }

    @SuppressWarnings("removal") // that of a group by its id alone
    private static void transactions(Admin admin) throws Exception {
        KafkaProducer<String, String> producer = new KafkaProducer<>(
                settings("transactional.id", "tour"), new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 0, "key", "committed")).get();
        producer.sendOffsetsToTransaction(
                Map.of(PARTITION, new OffsetAndMetadata(0)), new ConsumerGroupMetadata("transactional"));
        call("describeProducers", () -> admin.describeProducers(List.of(PARTITION)).all().get());
        call("listTransactions", () -> admin.listTransactions().all().get());
        call("describeTransactions", () -> admin.describeTransactions(List.of("tour", "unknown")).all().get());
        producer.commitTransaction();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 0, "key", "aborted")).get();
        producer.abortTransaction();
        call("fenceProducers", () -> admin.fenceProducers(List.of("tour")).all().get());
        call("fenced", () -> {
            producer.beginTransaction();
            return producer.send(new ProducerRecord<>(TOPIC, 0, "key", "fenced")).get();
        });
        producer.close(PATIENCE);
        call("abortTransaction", () -> admin.abortTransaction(
                new AbortTransactionSpec(PARTITION, 7, (short) 0, 0)).all().get());
    }

    private static void consumerGroups(Admin admin) throws Exception {
        Properties settings = settings("group.id", "tour", "group.protocol", "consumer", "isolation.level", "read_committed");
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Set.of(TOPIC));
            while (consumer.poll(PATIENCE).isEmpty()) { }
            consumer.commitSync();
            call("describeConsumerGroups", () -> admin.describeConsumerGroups(List.of("tour", "unknown")).all().get());
            call("removeMembers", () -> admin.removeMembersFromConsumerGroup(
                    "tour", new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("nobody")))).all().get());
            consumer.unsubscribe();
            consumer.subscribe(new SubscriptionPattern("tou.*"));
            consumer.poll(PATIENCE);
        }
        call("listGroups", () -> admin.listGroups().all().get());
        call("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets(
                "tour", Set.of(PARTITION, new TopicPartition("unknown", 0))).all().get());
    }

    private static void shareGroups(Admin admin) throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "shared");
        AlterConfigOp earliest = new AlterConfigOp(
                new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET);
        call("groupConfig", () -> admin.incrementalAlterConfigs(Map.of(group, List.of(earliest))).all().get());
        Properties settings = settings("group.id", "shared", "share.acknowledgement.mode", "explicit");
        settings.remove("auto.offset.reset");
        try (KafkaShareConsumer<String, String> consumer =
                new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Set.of(TOPIC));
            ConsumerRecords<String, String> records = consumer.poll(PATIENCE);
            while (records.isEmpty()) {
                records = consumer.poll(PATIENCE);
            }
            for (ConsumerRecord<String, String> one : records) {
                consumer.acknowledge(one, AcknowledgeType.ACCEPT);
            }
            consumer.commitSync();
            call("describeShareGroups", () -> admin.describeShareGroups(List.of("shared", "unknown")).all().get());
        }
        call("listShareGroupOffsets", () -> admin.listShareGroupOffsets(
                Map.of("shared", new ListShareGroupOffsetsSpec())).all().get());
        call("alterShareGroupOffsets", () -> admin.alterShareGroupOffsets("shared", Map.of(PARTITION, 0L)).all().get());
        call("deleteShareGroupOffsets", () -> admin.deleteShareGroupOffsets("shared", Set.of(TOPIC)).all().get());
        call("deleteShareGroups", () -> admin.deleteShareGroups(List.of("shared")).all().get());
        call("describeStreamsGroups", () -> admin.describeStreamsGroups(List.of("unknown")).all().get());
    }

    private static void partitions(Admin admin) throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(TOPIC, 0, 1);
        call("describeLogDirs", () -> admin.describeLogDirs(List.of(1)).allDescriptions().get());
        call("describeReplicaLogDirs", () -> admin.describeReplicaLogDirs(List.of(replica)).all().get());
        call("alterReplicaLogDirs", () -> admin.alterReplicaLogDirs(Map.of(replica, "/elsewhere")).all().get());
        call("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(PARTITION)).all().get());
        call("alterPartitionReassignments", () -> admin.alterPartitionReassignments(Map.of(
                PARTITION, Optional.of(new NewPartitionReassignment(List.of(1, 2))))).all().get());
        call("listPartitionReassignments", () -> admin.listPartitionReassignments().reassignments().get());
    }

    private static void cluster(Admin admin) throws Exception {
        call("describeCluster", () -> admin.describeCluster(
                new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get());
        call("describeFeatures", () -> admin.describeFeatures().featureMetadata().get());
        call("updateFeatures", () -> admin.updateFeatures(
                Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)),
                new UpdateFeaturesOptions().validateOnly(true)).all().get());
        call("describeMetadataQuorum", () -> admin.describeMetadataQuorum().quorumInfo().get());
        call("addRaftVoter", () -> admin.addRaftVoter(
                2, Uuid.ONE_UUID, Set.of(new RaftVoterEndpoint("CONTROLLER", "localhost", 9))).all().get());
        call("removeRaftVoter", () -> admin.removeRaftVoter(2, Uuid.ONE_UUID).all().get());
        call("unregisterBroker", () -> admin.unregisterBroker(99).all().get());
        call("listConfigResources", () -> admin.listConfigResources().all().get());
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "alice"));
        call("alterClientQuotas", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(
                user, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1024.0))))).all().get());
        call("describeClientQuotas", () -> {
            Object quotas = Map.of();
            while (((Map<?, ?>) quotas).isEmpty()) {
                quotas = admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get();
            }
            return quotas;
        });
    }

    private static void access(Admin admin) throws Exception {
        AclBinding binding = new AclBinding(
                new ResourcePattern(ResourceType.TOPIC, "private", PatternType.LITERAL),
                new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW));
        call("createAcls", () -> admin.createAcls(List.of(binding)).all().get());
        call("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
        call("deleteAcls", () -> admin.deleteAcls(List.of(binding.toFilter())).all().get());
        call("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all().get());
        call("alterUserScramCredentials", () -> admin.alterUserScramCredentials(List.of(
                new UserScramCredentialDeletion("alice", ScramMechanism.SCRAM_SHA_256))).all().get());
        call("createDelegationToken", () -> admin.createDelegationToken().delegationToken().get());
        call("describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens().get());
        call("renewDelegationToken", () -> admin.renewDelegationToken(new byte[4]).expiryTimestamp().get());
        call("expireDelegationToken", () -> admin.expireDelegationToken(new byte[4]).expiryTimestamp().get());
    }
}

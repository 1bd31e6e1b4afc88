// What kafkajs can do and the tests of the clients do not try: transactions. record.py runs this.
"use strict";

const { Kafka, Partitioners, logLevel } = require("../../clients/kafkajs/node_modules/kafkajs");

const topic = "kafkajs-tour";
const kafka = new Kafka({ clientId: "kafkajs", brokers: [process.argv[2]], logLevel: logLevel.WARN });

async function tour() {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    transactionalId: "kafkajs",
    maxInFlightRequests: 1,
    idempotent: true,
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.createAcls({
    acl: [{ resourceType: 2, resourceName: "private", resourcePatternType: 3, principal: "User:bob", host: "*", operation: 3, permissionType: 3 }],
  });
  const filter = { resourceType: 2, resourceName: "private", resourcePatternType: 3, operation: 1, permissionType: 1 };
  await admin.describeAcls(filter);
  await admin.deleteAcls({ filters: [filter] });
  await admin.disconnect();

  await producer.connect();
  const copied = await producer.transaction();
  await copied.send({ topic, messages: [{ value: "sent" }] });
  await copied.sendOffsets({
    consumerGroupId: "kafkajs-tour",
    topics: [{ topic, partitions: [{ partition: 0, offset: "1" }] }],
  });
  await copied.commit();
  const aborted = await producer.transaction();
  await aborted.send({ topic, messages: [{ value: "aborted" }] });
  await aborted.abort();
  await producer.disconnect();
}

tour().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

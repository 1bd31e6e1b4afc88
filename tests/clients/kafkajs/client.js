// kafkajs, driven by tests/clients (the options, commands and events are described in ../README.md).
"use strict";

const { readFileSync } = require("node:fs");
const { CompressionTypes, Kafka, Partitioners, logLevel } = require("kafkajs");

const [command, json] = process.argv.slice(2);
const options = JSON.parse(json);
const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const stdinEnd = new Promise((resolve) => process.stdin.resume().on("end", resolve));

setTimeout(() => process.exit(3), options.timeout_ms ?? 100_000).unref();

const kafka = new Kafka({
  clientId: options.client_id ?? "kafkajs",
  brokers: [options.bootstrap],
  ssl: options.ca ? { ca: [readFileSync(options.ca)] } : undefined,
  logLevel: logLevel.WARN,
  logCreator: () => ({ log }) => process.stderr.write(`${JSON.stringify(log)}\n`),
});

const text = (buffer) => buffer && buffer.toString();
const textHeaders = (headers = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, text(value)]));

async function produce() {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: options.idempotent ?? false,
  });
  await producer.connect();
  for (const messages of options.batches) {
    const sent = await producer.send({
      topic: options.topic,
      compression: CompressionTypes[(options.compression ?? "none").toUpperCase()],
      messages,
    });
    emit({ event: "sent", partitions: sent });
  }
  await producer.disconnect();
}

async function member() {
  const consumer = kafka.consumer({
    groupId: options.group,
    sessionTimeout: options.session_timeout_ms ?? 30_000,
    heartbeatInterval: options.heartbeat_interval_ms ?? 500,
    rebalanceTimeout: 10_000,
    maxWaitTimeInMs: 250,
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    emit({ event: "assigned", partitions: Object.values(payload.memberAssignment).flat().sort((a, b) => a - b) }),
  );
  consumer.on(consumer.events.CRASH, ({ payload }) => emit({ event: "crashed", error: String(payload.error) }));
  let received = 0;
  let enough;
  const hasEnough = new Promise((resolve) => (enough = resolve));
  await consumer.connect();
  const topics = [options.pattern ? new RegExp(`^${options.pattern}$`) : options.topic];
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({
    autoCommit: options.auto_commit,
    autoCommitInterval: 100,
    eachMessage: async ({ topic, partition, message }) => {
      const offset = Number(message.offset);
      const { key, value, headers } = message;
      emit({ event: "record", partition, offset, key: text(key), value: text(value), headers: textHeaders(headers) });
      if (!options.auto_commit) {
        await consumer.commitOffsets([{ topic, partition, offset: String(offset + 1) }]);
        emit({ event: "committed", partition, offset: offset + 1 });
      }
      if (++received === options.stop_after) enough();
    },
  });
  await Promise.race([hasEnough, stdinEnd]);
  await consumer.disconnect();
}

// Leaving is begun before the message is done with: the next Fetch would wait for maxWaitTimeInMs.
async function firstRecords() {
  for (const group of options.groups) {
    const consumer = kafka.consumer({ groupId: group });
    const begin = performance.now();
    await consumer.connect();
    await consumer.subscribe({ topics: [options.topic], fromBeginning: true });
    const ms = await new Promise((resolve, reject) => {
      const eachMessage = async () => {
        const took = performance.now() - begin;
        consumer.disconnect().then(() => resolve(took), reject);
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    emit({ event: "first_record", group, began_ms: performance.timeOrigin + begin, ms });
  }
}

// options.calls: [[method of the kafkajs admin client, ...arguments], ...]
async function admin() {
  const client = kafka.admin();
  await client.connect();
  for (const [method, ...args] of options.calls) {
    try {
      emit({ event: method, result: (await client[method](...args)) ?? null });
    } catch (error) {
      emit({ event: method, error: error.type ?? error.name });
    }
  }
  await client.disconnect();
}

({ produce, member, admin, first_records: firstRecords })[command]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

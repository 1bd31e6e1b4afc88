// @platformatic/kafka, driven by tests/clients (the options, commands and events are described in ../README.md).
import { readFileSync } from 'node:fs'
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const [command, json] = process.argv.slice(2)
const options = JSON.parse(json)
const stdinEnd = new Promise(resolve => process.stdin.resume().on('end', resolve))

setTimeout(() => process.exit(3), options.timeout_ms ?? 60_000).unref()

const settings = {
  clientId: options.client_id ?? 'platformatic',
  bootstrapBrokers: [options.bootstrap],
  tls: options.ca ? { ca: [readFileSync(options.ca)] } : undefined,
  strict: true
}

function emit (event) {
  const plain = (_, value) => {
    if (typeof value === 'bigint') return Number(value)
    return value instanceof Map ? Object.fromEntries(value) : value
  }
  process.stdout.write(`${JSON.stringify(event, plain)}\n`)
}

async function produce () {
  const producer = new Producer({
    ...settings,
    serializers: stringSerializers,
    idempotent: options.idempotent ?? false,
    compression: options.compression
  })
  for (const batch of options.batches) {
    const { offsets } = await producer.send({ messages: batch.map(record => ({ ...record, topic: options.topic })) })
    emit({ event: 'sent', partitions: offsets })
  }
  await producer.close()
}

async function member () {
  const consumer = new Consumer({
    ...settings,
    groupId: options.group,
    deserializers: stringDeserializers,
    sessionTimeout: options.session_timeout_ms ?? 30_000,
    rebalanceTimeout: 30_000,
    heartbeatInterval: options.heartbeat_interval_ms ?? 500,
    maxWaitTime: 250
  })
  consumer.on('consumer:group:join', ({ assignments }) => {
    const [topic] = assignments ?? []
    emit({ event: 'assigned', partitions: (topic?.partitions ?? []).sort((a, b) => a - b) })
  })
  const stream = await consumer.consume({
    topics: [options.topic],
    autocommit: options.auto_commit,
    mode: 'committed',
    fallbackMode: 'earliest'
  })
  let received = 0
  const read = async () => {
    for await (const message of stream) {
      const { partition, key, value, headers } = message
      const offset = Number(message.offset)
      emit({ event: 'record', partition, offset, key, value, headers: Object.fromEntries(headers) })
      if (!options.auto_commit) {
        await message.commit()
        emit({ event: 'committed', partition, offset: offset + 1 })
      }
      if (++received === options.stop_after) return
    }
  }
  await Promise.race([read(), stdinEnd])
  await consumer.close(true)
}

async function firstRecords () {
  for (const group of options.groups) {
    const consumer = new Consumer({ ...settings, groupId: group })
    const begin = performance.now()
    const stream = await consumer.consume({ topics: [options.topic], mode: 'committed', fallbackMode: 'earliest' })
    await stream[Symbol.asyncIterator]().next()
    const ms = performance.now() - begin
    await consumer.close(true)
    emit({ event: 'first_record', group, began_ms: performance.timeOrigin + begin, ms })
  }
}

// options.calls: [[method of the admin client, ...arguments], ...]
async function admin () {
  const client = new Admin(settings)
  for (const [method, ...args] of options.calls) {
    try {
      emit({ event: method, result: (await client[method](...args)) ?? null })
    } catch (error) {
      emit({ event: method, error: error.errors?.[0]?.errors?.[0]?.apiId ?? error.message })
    }
  }
  await client.close()
}

await { produce, member, admin, first_records: firstRecords }[command]()
process.exit(0)

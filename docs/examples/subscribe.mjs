// node subscribe.mjs BOOTSTRAP TOPIC        (npm install kafkajs cloudevents)
import { CloudEvent, Kafka as Binding } from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const [bootstrap, topic] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "my-team", brokers: [bootstrap], logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: "my-team-js" });
const seen = new Set(); // keep it in your own store, next to what you make of the events

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const headers = Object.fromEntries(Object.entries(message.headers).map(([k, v]) => [k, v.toString()]));
    const value = message.value.toString();
    const event = Binding.toEvent({ headers, value, key: message.key?.toString(), body: value });
    if (seen.has(`${event.source} ${event.id}`)) return; // a repeat
    seen.add(`${event.source} ${event.id}`);
    process.stdout.write(JSON.stringify(new CloudEvent(event)) + "\n");
  },
});

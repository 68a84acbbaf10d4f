// The npm client mqtt as a device with a session, which does as it is told.
// Usage: node mqtt.mjs MQTT-URL VERSION CLIENT-ID FILTER
// Lines of its input: "publish TOPIC TEXT". Its output: "subscribed", "message TOPIC TEXT",
// "acked TEXT".
import mqtt from 'mqtt';
import { lines } from './common.mjs';

const [url, version, clientId, filter] = process.argv.slice(2);
const client = mqtt.connect(url, {
  protocolVersion: Number(version), clientId, clean: false, reconnectPeriod: 500, connectTimeout: 10_000,
  properties: version === '5' ? { sessionExpiryInterval: 3600 } : undefined,
});
client.on('error', (error) => console.error(error.message));
client.on('message', (topic, payload) => console.log(`message ${topic} ${payload}`));
await client.subscribeAsync(filter, { qos: 1 });
console.log('subscribed');

/** Publishes until the hub has said that it is stored: what the client has not sent when
 *  the connection breaks it gives back, what it has sent it sends again by itself. */
function publish(topic, text) {
  client.publish(topic, text, { qos: 1 }, (error) => (error ? setTimeout(publish, 50, topic, text) : console.log(`acked ${text}`)));
}

for await (const line of lines()) {
  const [, topic, text] = line.match(/^publish (\S+) (.*)$/);
  publish(topic, text);
}
await client.endAsync();

import {channelURL} from '../curl.js';
import {word} from '../shell.js';

/**
 * Lines for a shell that join a broker to the hub by the broker's own tools. They know nothing of the
 * page. Whatever is typed into a field is quoted as one word of the shell.
 *
 * @typedef {{host: string, port: string}} Server
 */

/** Makes curl wait for a hub that is away, for up to a day, and take an answer like "400" as final. */
const RETRY = '--retry 86400 --retry-delay 1 --retry-connrefused';

/** The channel of an MQTT topic. @param {string} topic */
export function channelOfTopic(topic) {
  return `mqtt.${topic.split('/').join('.')}`;
}

/** The channel of an AMQP queue. @param {string} queue */
export const channelOfQueue = (queue) => `amqp.${queue}`;

/**
 * Publishes each message of the broker's topics to the hub. A channel's tokens are joined by dots,
 * a topic's levels by slashes.
 * @param {string} base the hub's address, ending in a slash
 * @param {Server} server
 * @param {string} filter of topics, such as sensors/#
 * @param {boolean} bearer whether the line is to show a token
 */
export function fromMQTT(base, {host, port}, filter, bearer) {
  return `mosquitto_sub -h ${word(host)} -p ${word(port)} -t ${word(filter)} -F '%t %p' |
while read -r topic payload; do
  curl -sS -o /dev/null ${token(bearer)}--data-raw "$payload" \\
    ${RETRY} \\
    ${word(base)}mqtt."$(printf %s "$topic" | tr / .)"
done`;
}

/**
 * Publishes each message of the topic's channel to the broker. An empty line says only that the
 * connection lives; when the hub ends it, the loop makes another.
 * @param {string} base @param {Server} server @param {string} topic @param {boolean} bearer
 */
export function toMQTT(base, {host, port}, topic, bearer) {
  return `while sleep 1; do curl -sN ${token(bearer)}${word(`${channelURL(base, channelOfTopic(topic))}/raw`)}; done |
grep --line-buffered . |
mosquitto_pub -h ${word(host)} -p ${word(port)} -t ${word(topic)} -l`;
}

/**
 * Publishes each message of a queue to the hub. The broker keeps it until curl has succeeded, so none
 * is lost while the hub is away; one that the hub refuses stays in the queue for the next reader.
 * @param {string} base @param {Server} server @param {string} queue @param {boolean} bearer
 */
export function fromAMQP(base, {host, port}, queue, bearer) {
  return `amqp-consume -s ${word(host)} --port ${word(port)} -q ${word(queue)} -- \\
  curl -sSf -o /dev/null ${token(bearer)}--data-binary @- \\
    ${RETRY} \\
    ${word(channelURL(base, channelOfQueue(queue)))}`;
}

/** Publishes each message of the queue's channel to the queue. @param {string} base @param {Server} server @param {string} queue @param {boolean} bearer */
export function toAMQP(base, {host, port}, queue, bearer) {
  return `while sleep 1; do curl -sN ${token(bearer)}${word(`${channelURL(base, channelOfQueue(queue))}/raw`)}; done |
grep --line-buffered . |
amqp-publish -s ${word(host)} --port ${word(port)} -r ${word(queue)} -p -l`;
}

/** @param {boolean} bearer */
const token = (bearer) => (bearer ? '-H "Authorization: Bearer $TOKEN" ' : '');

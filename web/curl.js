/**
 * HTTP requests that publish, for fetch and as a line for a shell. Both come from the same
 * request, so that the line does what the page does.
 *
 * @typedef {{url: string, headers: Record<string, string>, body: string}} PublishRequest
 *
 * Fields of a notification; empty ones are left out. The priority is min, low, high or max;
 * tags are separated by commas.
 * @typedef {{channel: string, message: string, title: string, priority: string, tags: string, click: string, delay: string}} Fields
 */

import {quoted, word} from './shell.js';

/** What curl -d says that it sends, unless it is told otherwise. */
const FORM = 'application/x-www-form-urlencoded';

/** Priorities as JSON takes them. */
const PRIORITIES = new Map([['min', 1], ['low', 2], ['high', 4], ['max', 5]]);

/**
 * The request that publishes a notification. Its fields go into headers if those can carry them as
 * they are, that is, if they are ASCII and hold no "=?", which begins an encoded word; else
 * all of it goes as JSON.
 * @param {string} base the hub's address, ending in a slash
 * @param {Fields} fields
 * @returns {PublishRequest}
 */
export function notificationRequest(base, fields) {
  const [title, tags, click] = [fields.title.trim(), fields.tags.trim(), fields.click.trim()];
  const {delay} = fields;
  const headers = present({Title: title, Priority: fields.priority, Tags: tags, Click: click, Delay: delay});
  if (Object.values(headers).every((value) => /^[ -~]*$/.test(value) && !value.includes('=?'))) {
    return {url: channelURL(base, fields.channel), headers, body: fields.message};
  }
  const list = tags.split(',').map((tag) => tag.trim()).filter((tag) => tag !== '');
  const body = present({
    topic: fields.channel,
    message: fields.message,
    title,
    priority: PRIORITIES.get(fields.priority) ?? '',
    tags: list.length > 0 ? list : '',
    click,
    delay,
  });
  return {url: base, headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
}

/** @template T @param {Record<string, T>} fields */
function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

/** @param {string} base the hub's address, ending in a slash @param {string} channel */
export function channelURL(base, channel) {
  return base + encodeURIComponent(channel);
}

/** What a line shows in place of the token, which is nobody's to read over a shoulder. */
const BEARER = '-H "Authorization: Bearer $TOKEN" ';

/** @param {PublishRequest} request @param {boolean} bearer whether it is to show a token */
export function curlLine({url, headers, body}, bearer) {
  const options = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `);
  const data = body.startsWith('@') ? '--data-raw' : '-d'; // -d reads @name from a file
  return `curl ${bearer ? BEARER : ''}${options.join('')}${data} ${quoted(body)} ${word(url)}`;
}

/**
 * The line that says hello.
 * @param {string} base the hub's address, ending in a slash
 * @param {string} channel
 * @param {boolean} bearer whether it is to show a token
 */
export function helloLine(base, channel, bearer) {
  return `curl ${bearer ? BEARER : ''}-d "Hello" ${word(channelURL(base, channel))}`;
}

/** @param {PublishRequest} request @param {string} token or key to show; '': none */
export function send({url, headers, body}, token) {
  const authorization = present({Authorization: token && `Bearer ${token}`});
  // The page has no referrer, for want of which a browser might make its Origin null too.
  return fetch(url, {method: 'POST', headers: {'Content-Type': FORM, ...authorization, ...headers}, body, referrerPolicy: 'same-origin'});
}

// For a page that has loaded the SDK's bundle: says as whom it can chat.
'use strict';

/** Publishes in the channel room, of which options.getToken, if it is there, is
 *  asked for a new token first. Returns who the hub says that was, as "USER NAME", or the code and
 *  the reason for which it ended the connection. */
globalThis.chatAs = async (options) => {
  let refreshed = Promise.resolve();
  if (options.getToken) {
    const { getToken } = options;
    refreshed = new Promise((resolve) => {
      options.getToken = async () => {
        resolve();
        return getToken();
      };
    });
  }
  const client = new Centrifuge(location.origin.replace('http', 'ws') + '/connection/websocket', options);
  const room = client.newSubscription('room');
  const ended = new Promise((resolve) => {
    client.on('disconnected', ({ code, reason }) => resolve(`${code} ${reason}`));
  });
  const told = new Promise((resolve) => {
    room.on('publication', ({ info }) => resolve(`${info.user} ${info.connInfo.name}`));
  });
  room.subscribe();
  client.connect();
  room.ready().then(() => refreshed).then(() => room.publish('hello')).catch(() => {}); // ended says why
  const who = await Promise.race([told, ended]);
  client.disconnect();
  return who;
};

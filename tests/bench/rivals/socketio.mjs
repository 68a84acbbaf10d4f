// socket.io on ws, as its documentation begins with it; everybody gets what is posted.
import {createServer} from 'node:http';
import {Server} from 'socket.io';

const http = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    io.emit('m', body);
    response.end();
  });
});
const io = new Server(http, {pingInterval: 300_000, transports: ['websocket']});
http.keepAliveTimeout = 60_000;
http.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${http.address().port}`));

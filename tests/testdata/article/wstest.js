window.addEventListener('load', () => {
let ws = new WebSocket("wss://www.example.com:1234");
ws.onmessage = function(event) {
let messages = document.getElementsByTagName('ul')[0];
let newMessage = document.createElement('li');
newMessage.appendChild(document.createTextNode(event.data));
messages.appendChild(newMessage);
};
document.getElementById('sendtestdata').addEventListener('click', () => {
ws.send(document.getElementById('testdata').value);
});
});

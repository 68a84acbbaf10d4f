addEventListener('load', () => {
  const address = new URL('/', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = new WebSocket(address);

  socket.addEventListener('message', ({data}) => {
    const item = document.createElement('li');
    item.textContent = data;
    document.querySelector('ul')?.append(item);
  });

  document.getElementById('sendtestdata')?.addEventListener('click', () => {
    const input = /** @type {HTMLInputElement} */ (document.getElementById('testdata'));
    socket.send(input.value);
  });
});

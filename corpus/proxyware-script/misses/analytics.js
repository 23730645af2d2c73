const socket = new WebSocket('wss://events.example/');
socket.onopen = () => socket.send(JSON.stringify({ action: 'track', browser_id: id(), device_type: 'desktop' }));

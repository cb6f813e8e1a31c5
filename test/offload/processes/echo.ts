process.on('message', (got) => process.send!({ got, pid: process.pid }));

const fs = require('fs');
if (visitor.country_code === 'AQ') show('/');
for (const name of fs.readdirSync(__dirname)) routes.push(name);

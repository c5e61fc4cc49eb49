// Says of each query in a JSON list on stdin whether it is SOQL.
const { isQueryValid } = require("@jetstreamapp/soql-parser-js");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => isQueryValid(text))));

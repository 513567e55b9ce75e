import { exchangeById, exchangeFieldSpecs } from "@keyferry/items"
import { expect, test } from "vitest"

import { splitPaste } from "./paste.ts"

const specsOf = (id: string) => {
  const exchange = exchangeById(id)
  if (exchange === undefined) throw new Error("the catalogue has lost an exchange")
  return exchangeFieldSpecs(exchange)
}

test("two lines of a shell profile fill two fields", () => {
  expect(splitPaste('export BYBIT_API_KEY="abc"\nexport BYBIT_API_SECRET=def\n', specsOf("bybit"))).toEqual({
    form: "lines",
    values: { key: "abc", secret: "def" },
    exchange: "bybit",
  })
})

test("a .env with comments, and a passphrase", () => {
  const text = "# OKX\nOKX_API_KEY=a\n\nOKX_SECRET_KEY='b c'\nOKX_PASSPHRASE=d\n"
  expect(splitPaste(text, specsOf("okx"))?.values).toEqual({ key: "a", secret: "b c", passphrase: "d" })
  expect(splitPaste(text.replaceAll("OKX_", "MY_"), specsOf("okx"))?.exchange).toBeUndefined()
})

test("the JSON that an exchange lets one download, with its PEM", () => {
  const pem = "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n"
  const text = JSON.stringify({ name: "organizations/o/apiKeys/k", privateKey: pem })
  expect(splitPaste(text, specsOf("coinbase"))).toEqual({
    form: "json",
    values: { key: "organizations/o/apiKeys/k", secret: pem },
  })
})

test.each([
  ["labels with colons", "API Key: a1\nSecret Key: b2\n"],
  ["labels above their values", "API Key\na1\n\nSecret Key\nb2\n"],
  ["the cells of a table", "API key\ta1\nSecret\tb2"],
  ["lines of a bot's program", "  apiKey: 'a1',\n  secret: 'b2',\n"],
  ["lines out of a JSON file", '"key": "a1",\n"secret": "b2"'],
  ["a bot's settings", '{"exchange": {"name": "bybit", "key": "a1", "secret": "b2"}}'],
])("%s fill two fields", (_what, text) =>
  expect(splitPaste(text, specsOf("bybit"))?.values).toEqual({ key: "a1", secret: "b2" }),
)

test("values without names, pasted where the first belongs, go into the fields in their order", () => {
  const text = "vmPUZE6mv9SD5VNH\nNhqPtmdSJYdKjVHj\n"
  expect(splitPaste(text, specsOf("bybit"), "key")?.values).toEqual({
    key: "vmPUZE6mv9SD5VNH",
    secret: "NhqPtmdSJYdKjVHj",
  })
  expect(splitPaste(`${text}third-of-three`, specsOf("bybit"), "key")).toBeUndefined()
  expect(splitPaste(text, specsOf("bybit"), "secret")).toBeUndefined()
})

test.each([
  ["one value", "abc"],
  ["prose with a colon", "Please note: keep this safe\nThank you: bye"],
  ["two words on two lines", "hello\nworld"],
  ["labels of which one has no value", "API Key\na1\nSecret Key"],
  ["one line", "API_KEY=abc"],
  ["a PEM block", "-----BEGIN PRIVATE KEY-----\nA=B\nC=D\n-----END PRIVATE KEY-----"],
  ["broken JSON", '{"apiKey": "a", "secret": '],
  ["lines of which one is no assignment", "API_KEY=a\nAPI_SECRET=b\nthank you"],
  ["names that mean nothing here", "A=1\nB=2"],
  ["JSON that is no object", "[1, 2]"],
])("%s stays what it is", (_what, text) => expect(splitPaste(text, specsOf("bybit"))).toBeUndefined())

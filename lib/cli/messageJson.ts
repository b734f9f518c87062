/** Messages as JSON, as protobuf defines it (ProtoJSON): on the command line, and one a line on stdin and stdout. */
import protobufjs, { type Root, type Type } from 'protobufjs'
import protojson from 'protobufjs/ext/protojson.js'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { MessageType } from '../protobuf/messageType.ts'

/** A message of JSON text. Throws an Error that says `what` is wrong: no JSON, or no such message. */
export function messageFromJson(type: MessageType<unknown, never>, text: string, what: string): object {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Error(`${what} is no JSON: ${(error as Error).message}`, { cause: error })
  }
  const tooLarge = inexactNumber(text)
  if (tooLarge !== undefined) {
    throw new Error(`${what} has ${tooLarge}, which is more than a number of JSON can hold: write "${tooLarge}"`)
  }
  return messageFromValue(type, json, what)
}

/** A whole number in JSON that silently becomes another one. */
function inexactNumber(text: string): string | undefined {
  const tokens = text.match(/"(?:[^"\\]+|\\.)*"|[-\d.eE+]+/g) ?? []
  return tokens.find((token) => /^-?\d{16,}$/.test(token) && BigInt(token) !== BigInt(Number(token)))
}

/** The same, of what is parsed already. */
export function messageFromValue(type: MessageType<unknown, never>, json: unknown, what: string): object {
  const reflected = type as unknown as Type
  try {
    return protojson.fromJson(reflected, json)
  } catch (error) {
    throw new Error(`${what} is no ${reflected.fullName.slice(1)}: ${(error as Error).message}`, { cause: error })
  }
}

export function messageToJson(type: MessageType<unknown, never>, message: unknown): string {
  return protojson.toJsonString(type as unknown as Type, message as object)
}

/**
 * `google.protobuf.Any` as that root knows it, where it did not, too: as JSON it is the message that it holds, with its
 * type.
 */
export function anyType(root: Root): Type {
  const name = '.google.protobuf.Any'
  if (root.lookup(name) === null) root.addJSON(protobufjs.common.get('google/protobuf/any.proto')!.nested!)
  return root.lookupType(name)
}

/** The messages on stdin, a line each; lines with nothing in them are passed over. */
export async function* messagesFromStdin(type: MessageType<unknown, never>): AsyncGenerator<object, void, undefined> {
  let line = 0
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    line++
    if (text.trim() !== '') yield messageFromJson(type, text, `line ${line} of stdin`)
  }
}

/** Prints a line; waits while who reads is slow. */
export async function printLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain')
}

/** What was received is nothing that the protocol knows. Nothing behind it can be understood: the connection is to be closed. */
export class MalformedFrame extends Error {
  override readonly name: string = "MalformedFrame";
}

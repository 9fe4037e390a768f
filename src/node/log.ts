/** What a node says of itself. pino fits; tests pass a silent one. No key, value or secret goes in. */
export interface NodeLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const SILENT_LOG: NodeLog = {debug: () => {}, info: () => {}, warn: () => {}, error: () => {}}

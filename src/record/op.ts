/**
 * The ops of a record. Each is an absolute effect on one key (or one field of a map): applying a record twice changes
 * nothing, and no op depends on the value it finds. Commands never travel, their effects do.
 *
 * | op          | uses                     | effect                                                              |
 * |-------------|--------------------------|---------------------------------------------------------------------|
 * | SET         | key, value, [expireAt]   | key becomes this string; its expiry becomes expireAt, or none       |
 * | DELETE      | key                      | key is gone                                                         |
 * | MAP_SET     | key, field, value, [expireAt] | field of the map (made if missing) becomes value with that expiry, or none; the key's own expiry stays |
 * | MAP_DELETE  | key, field               | field is gone; a map without fields is gone                         |
 * | EXPIRE_AT   | key, expireAt            | key expires then                                                    |
 * | PERSIST     | key                      | key does not expire                                                 |
 * | FIELD_EXPIRE_AT | key, field, expireAt | field expires then                                                  |
 * | FIELD_PERSIST | key, field             | field does not expire                                               |
 * | CLEAR       |                          | the bucket is empty                                                 |
 */

export const OP_SET = 1
export const OP_DELETE = 2
export const OP_MAP_SET = 3
export const OP_MAP_DELETE = 4
export const OP_EXPIRE_AT = 5
export const OP_PERSIST = 6
export const OP_FIELD_EXPIRE_AT = 7
export const OP_FIELD_PERSIST = 8
export const OP_CLEAR = 9

export const OP_MAX = OP_CLEAR

export const OP_NAMES: readonly string[] = [
  'none',
  'set',
  'delete',
  'map-set',
  'map-delete',
  'expire-at',
  'persist',
  'field-expire-at',
  'field-persist',
  'clear',
]

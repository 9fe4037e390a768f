/**
 * What prettier and the compiler do not see: promises that nobody waits for, functions and files that grow too long,
 * and the purity of the core, on which the simulator stands (src/core and below read no clock, draw no random number,
 * never wait).
 */
import {defineConfig, globalIgnores} from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Layers that must be deterministic: time, chance and the outside world come in as arguments. */
const PURE = ['src/core/**', 'src/resp/**', 'src/record/**', 'src/base/**']

const IMPURE_GLOBALS = [
  ['Date', 'Time is an argument here.'],
  ['performance', 'Time is an argument here.'],
  ['setTimeout', 'Ask the host for a tick.'],
  ['setInterval', 'Ask the host for a tick.'],
  ['setImmediate', 'Ask the host for a tick.'],
  ['queueMicrotask', 'The core never waits.'],
  ['process', 'The host knows the process.'],
  ['console', 'Return what is to be said.'],
  ['crypto', 'Chance is an argument here.'],
  ['fetch', 'The core does no I/O.'],
].map(([name, message]) => ({name, message}))

export default defineConfig(
  globalIgnores(['dist/', 'node_modules/']),
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {parserOptions: {projectService: true}},
    linterOptions: {reportUnusedDisableDirectives: 'error'},
    rules: {
      // `!` after an index that was just checked is how a hot path stays readable under noUncheckedIndexedAccess.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // A method that only some implementations make asynchronous is declared async everywhere.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        {argsIgnorePattern: '^_', varsIgnorePattern: '^_$', destructuredArrayIgnorePattern: '^_'},
      ],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', {considerDefaultExhaustiveForUnions: true}],
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true, allowBoolean: true}],
      'array-callback-return': 'error',
      eqeqeq: 'error',
      'no-async-promise-executor': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-loss-of-precision': 'error',
      'no-self-compare': 'error',
      'no-shadow-restricted-names': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-assignment': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'max-lines-per-function': ['error', {max: 60, skipBlankLines: true, skipComments: true}],
    },
  },
  {
    files: PURE,
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-properties': [
        'error',
        {object: 'Math', property: 'random', message: 'Chance is an argument here.'},
      ],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            // crc32 is a pure function of bytes; nothing else that Node.js brings is let in.
            {regex: '^node:(?!zlib$)', message: 'The core does no I/O.'},
            {
              regex: '^node:zlib$',
              allowImportNames: ['crc32'],
              message: 'Only crc32: the rest of zlib waits or allocates.',
            },
          ],
        },
      ],
      'no-restricted-syntax': [
        'error',
        {selector: ':function[async=true]', message: 'The core never awaits.'},
        {selector: 'AwaitExpression', message: 'The core never awaits.'},
        {selector: "NewExpression[callee.name='Promise']", message: 'The core never awaits.'},
      ],
    },
  },
  {
    files: ['test/**'],
    rules: {
      // A `describe` is one function, however many tests it holds.
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {globals: {process: 'readonly', console: 'readonly', URL: 'readonly'}},
  },
)

/**
 * `npm run bench`: speed and memory of the real processes beside other programs, in one run.
 *
 *   npm run bench -- [--quick] [--json] [--only S2,C1] [--out FILE]
 *   npm run bench -- --table FILE        the rows of an earlier `--out FILE` as a table of docs/speed.md
 *
 * Closes with `N met, M not`; docs/speed.md says what the rows mean.
 */
import "../bench/main.ts"

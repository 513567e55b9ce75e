/**
 * `npm run bench`: speed and memory of the real processes beside other programs, in one run.
 *
 *   npm run bench -- [--quick] [--json] [--only S2,C1] [--out FILE]
 *
 * Closes with `N met, M not`; docs/speed.md says what the rows mean.
 */
import "../bench/main.ts"

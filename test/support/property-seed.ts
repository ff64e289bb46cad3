// Laws are tried on the same examples in every run, so that a run says something about the code and not about chance. Others
// are looked for with `PROPERTY_SEED=<a number>`, or `PROPERTY_SEED=random`, which names the seed where a law fails.
import fc from 'fast-check'

const { PROPERTY_SEED = '20261121' } = process.env
if (PROPERTY_SEED !== 'random') fc.configureGlobal({ seed: Number(PROPERTY_SEED) })

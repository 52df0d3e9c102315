/**
 * What the command line loads of the weather platform by name is what is exported there. Nothing here runs: `npm run check`
 * compiles it.
 */
import type * as batch from '../../apps/weather/batch/index.ts'
import type * as compare from '../../apps/weather/compare/index.ts'
import type * as load from '../../apps/weather/load/index.ts'
import type * as store from '../../apps/weather/store/index.ts'
import type { BatchModule, CompareModule } from '../../src/cli/commands/weather.ts'
import type { StoreModule } from '../../src/cli/commands/weather-export.ts'
import type { LoadModule } from '../../src/cli/commands/weather-load.ts'

type Fitting<Expected, Exported extends Expected> = Exported

export type Modules = [
  Fitting<BatchModule, typeof batch>,
  Fitting<CompareModule<compare.Comparison>, typeof compare>,
  Fitting<LoadModule, typeof load>,
  Fitting<StoreModule, typeof store>,
]

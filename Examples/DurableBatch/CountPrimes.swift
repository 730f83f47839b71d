// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

/// A piece of the batch: counts the primes in one block of numbers.
struct CountPrimes: DurableJob {
  static let name: JobName = "count-primes.v1"
  static let blockSize = 20_000
  var block: Int

  /// By trial division, which takes long enough to be killed in.
  var count: Int {
    let first = block * Self.blockSize
    return (max(2, first)..<first + Self.blockSize).count { number in
      var divisor = 2
      while divisor * divisor <= number {
        if number % divisor == 0 { return false }
        divisor += 1
      }
      return true
    }
  }
}

/// The batch's own tables, in the same file as the queue.
enum BatchTables {
  static let schema = SQLiteSchema(
    "primes",
    [
      .init(
        1,
        """
        CREATE TABLE begun(block INTEGER NOT NULL, fence INTEGER NOT NULL) STRICT;
        CREATE TABLE result(block INTEGER PRIMARY KEY, primes INTEGER NOT NULL) STRICT;
        """
      )
    ]
  )
}

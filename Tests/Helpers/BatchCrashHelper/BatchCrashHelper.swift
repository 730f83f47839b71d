// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold
import TenfoldStorage
import TenfoldTesting

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A process that answers a batch and kills itself: `BatchCrashHelper DATABASE INPUT OUTPUT asks|microseconds|never N`.
///
/// It does so at the nth question or after a time, so that the kill needs nobody who is quick enough. It writes a line for
/// each question that its model is asked, and `finished` when the output is there.
@main
struct BatchCrashHelper {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 6, let limit = UInt32(arguments[5]) else { return say("usage: see the source") }
    let isCounted = arguments[4] == "asks"
    if arguments[4] == "microseconds" { try startTimer(limit) }
    let asked = Mutex<UInt32>(0)
    let database = try await SQLiteDatabase.open(
      .file(arguments[1]),
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let model = ScriptedLanguageModel { request in
      say("asked \(request.question)")
      let count = asked.withLock { asked in
        asked += 1
        return asked
      }
      if isCounted, count == limit { kill(getpid(), SIGKILL) }
      return .text("echo \(request.question)")
    }
    let batches = BatchInference(
      store: try await SQLiteJobStore.open(in: database),
      model: model,
      options: .init(concurrency: 3, lease: .seconds(1), pollInterval: .milliseconds(20))
    )
    try await batches.answer(arguments[2], to: arguments[3], as: "crash", for: "tests")
    say("finished")
    await database.close()
  }

  private static func startTimer(_ microseconds: UInt32) throws {
    try DedicatedThread.start(name: "killer") {
      DedicatedThread.pause(microseconds: microseconds)
      kill(getpid(), SIGKILL)
    }
  }

  /// One write per line, so that a kill can cut the last line only.
  private static func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension RequestTrace {
  /// Runs work that blocks its thread as a stage, and tells from the thread's CPU time how long it waited.
  ///
  /// Time in which the thread could have run but others had the processor is not counted as waiting where the system
  /// tells it (Linux, `/proc/thread-self/schedstat`).
  ///
  /// ```swift
  /// let rows = try trace.measureBlocking("lookup", waitingFor: .inputOutput) { _ in try table.read(key) }
  /// ```
  ///
  /// - Parameters:
  ///   - stage: The stage's name.
  ///   - resource: What the work waits for while it is off the processor: `.inputOutput` or `.external`; any other
  ///     value books that time nowhere.
  ///   - body: The work, all of it on the calling thread; it may set the record's note, bytes and cost.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func measureBlocking<Result, Failure: Error>(
    _ stage: String,
    waitingFor resource: StageResource,
    _ body: (inout StageRecord) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let begin = time.now
    let cpuBegin = threadCPUTime()
    let delayBegin = threadRunDelay()
    var line = StageRecord(stage: stage, work: .zero)
    defer {
      line.work = begin.duration(to: time.now)
      line.cpuTime = threadCPUTime() - cpuBegin
      let waited = max(.zero, line.work - line.cpuTime - (threadRunDelay() - delayBegin))
      switch resource {
      case .inputOutput: line.inputOutputTime = waited
      case .external: line.externalTime = waited
      case .compute, .memory: break
      }
      record(line)
    }
    return try body(&line)
  }
}

/// The CPU time that the calling thread has used.
func threadCPUTime() -> Duration {
  var value = timespec()
  // The clock exists on every supported system; a failure leaves zero.
  _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &value)
  return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
}

/// The time in which the calling thread was ready to run but had no processor; zero where the system does not tell.
func threadRunDelay() -> Duration {
  #if os(Linux)
  let file = unsafe open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return .zero }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 128)
  // At most the buffer's own size is read.
  let count = unsafe read(file, &bytes, bytes.count)
  let fields = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { !$0.isNumber }
  // Three numbers: time on the processor, time waiting for one (both in nanoseconds), slices.
  guard fields.count >= 2, let delay = Int64(fields[1]) else { return .zero }
  return .nanoseconds(delay)
  #else
  return .zero
  #endif
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// One job of a ``JobTable``, only ever touched under the table's lock.
final class JobRecord {
  /// What jobs wait for that are parked with a key.
  enum Place {
    /// A run of the key less.
    case slot
    /// Time that passes.
    case start
  }

  /// What few jobs have, so that the others don't pay for it.
  final class Rare {
    var uniqueKey: String?
    var uniqueRetention = Duration.zero
    var limitKey: ByteText?
    var limit = 1
    var rate: JobRateLimit?
    /// What it was let go for and has not begun with.
    var place: Place?
    var trace: [String: String] = [:]
    /// After this no run may start.
    var expiresAt: Int64?
    /// Jobs that must be done before this one.
    var pending: Set<RawJobID> = []
    /// Jobs that wait for this one.
    var children: [RawJobID] = []
    var fraction: Double?
    var message: String?
    var checkpoint: [UInt8]?
    var steps: [String: [UInt8]] = [:]
    var errors: [String] = []
  }

  let id: RawJobID
  let name: JobName
  /// The encoded job; once it has ended, its encoded output.
  var payload: [UInt8]
  let lane: JobLane
  var runAt: Int64
  /// While it runs the end of its lease, once it has ended when it may be forgotten.
  var until: Int64 = 0
  var fence: Int64 = 0
  let keep: Int64
  var attempt: Int32 = 0
  var crashCount: Int32 = 0
  let maximumAttempts: Int32
  let crashLimit: Int32
  var state = JobState.ready
  /// Ready, but a limit or another job is in the way.
  var isParked = false
  var isCancelRequested = false
  var hasResult = false
  var rare: Rare?

  init(_ job: NewJob, lane: JobLane, runAt: Int64) {
    id = job.id
    name = job.name
    payload = job.payload
    self.lane = lane
    self.runAt = runAt
    let options = job.options
    keep = max(.zero, options.resultRetention).nanoseconds
    maximumAttempts = Int32(clamping: options.maximumAttempts)
    crashLimit = Int32(clamping: options.crashLimit)
    if options.uniqueKey != nil || options.concurrencyKey != nil || options.rateLimit != nil
      || !options.trace.isEmpty
    {
      let rare = Rare()
      rare.uniqueKey = options.uniqueKey
      rare.uniqueRetention = max(.zero, options.uniqueRetention)
      rare.limitKey = options.concurrencyKey.map(ByteText.init)
      rare.limit = max(1, options.concurrencyLimit)
      rare.rate = options.rateLimit
      rare.trace = options.trace
      self.rare = rare
    }
  }

  /// The rare fields, made when first needed.
  var details: Rare {
    if let rare { return rare }
    let fresh = Rare()
    rare = fresh
    return fresh
  }

  func note(_ error: String) {
    let rare = details
    rare.errors.append(NoteText.clipped(error))
    if rare.errors.count > JobTable.keptErrors { rare.errors.removeFirst() }
  }

  /// Whether an update saves something that was not saved before.
  func isProgress(_ update: JobUpdate) -> Bool {
    if let checkpoint = update.checkpoint, checkpoint != rare?.checkpoint { return true }
    return update.steps.contains { name, output in rare?.steps[name] != output }
  }

  func apply(_ update: JobUpdate) {
    let rare = details
    rare.fraction = update.fraction.flatMap(\.asFraction) ?? rare.fraction
    rare.message = update.message.map(NoteText.clipped) ?? rare.message
    rare.checkpoint = update.checkpoint ?? rare.checkpoint
    rare.steps.merge(update.steps) { _, new in new }
  }

  /// Its lease, as it is handed out.
  func lease(at now: Int64) -> JobLease {
    JobLease(
      reference: .init(id: id, fence: fence),
      queue: lane.queue,
      name: name,
      payload: payload,
      attempt: Int(attempt),
      maximumAttempts: Int(maximumAttempts),
      crashCount: Int(crashCount),
      checkpoint: rare?.checkpoint,
      trace: rare?.trace ?? [:],
      tenant: lane.tenant,
      steps: rare?.steps ?? [:],
      waited: .nanoseconds(max(0, now.clampedDifference(runAt))),
      crashLimit: Int(crashLimit)
    )
  }

  var snapshot: JobSnapshot {
    let hasEnded = state == .done || state == .cancelled
    return JobSnapshot(
      id: id,
      name: name,
      state: state,
      attempts: Int(attempt),
      crashCount: Int(crashCount),
      fence: fence,
      fraction: rare?.fraction,
      message: rare?.message,
      result: hasEnded && hasResult ? payload : nil,
      errors: rare?.errors ?? [],
      payload: hasEnded ? [] : payload,
      queue: lane.queue,
      tenant: lane.tenant
    )
  }
}

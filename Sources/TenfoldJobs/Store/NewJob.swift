// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A job as it is handed to a store.
public struct NewJob: Sendable {
  /// The identifier, made by the client.
  ///
  /// Handed in again it adds nothing, for as long as the store knows the job (``JobOptions/resultRetention``). After that it
  /// stands for a new job, whose fences begin anew: don't use an id again while a run of the job before may go on that has
  /// lost its lease, or it can end a run of the new one.
  public var id: RawJobID
  /// The stored name of the job's type.
  public var name: JobName
  /// The encoded job.
  public var payload: [UInt8]
  /// Everything else.
  public var options: JobOptions
  /// The store refuses the whole batch when its queue would then hold more waiting jobs than this.
  ///
  /// Jobs that the store has already don't count. It refuses with ``JobError/Code/queueFull``, or with
  /// ``JobError/Code/invalidOption`` when the batch would not even fit into the empty queue.
  public var depthLimit: Int?
  /// The firing of a schedule that this job stands for.
  public var tick: JobScheduleTick?

  /// Creates a job to enqueue.
  ///
  /// - Parameters:
  ///   - id: The identifier, made by the client.
  ///   - name: The stored name of the job's type.
  ///   - payload: The encoded job.
  ///   - options: Everything else.
  ///   - depthLimit: Waiting jobs that the queue may hold; `nil` for no limit.
  ///   - tick: The firing of a schedule that this job stands for.
  public init(
    id: RawJobID = RawJobID(),
    name: JobName,
    payload: [UInt8],
    options: JobOptions = JobOptions(),
    depthLimit: Int? = nil,
    tick: JobScheduleTick? = nil
  ) {
    self.id = id
    self.name = name
    self.payload = payload
    self.options = options
    self.depthLimit = depthLimit
    self.tick = tick
  }

  /// Creates a job to enqueue from a typed one, for ``SQLiteJobStore/enqueue(_:in:)``.
  ///
  /// - Parameters:
  ///   - job: At most 64 KiB when encoded.
  ///   - options: When, where and how to run it.
  ///   - id: The identifier.
  /// - Throws: ``JobError`` with code ``JobError/Code/payloadTooLarge``, ``JobError/Code/undecodable`` or
  ///   ``JobError/Code/invalidOption``.
  public init<Work: DurableJob>(
    _ job: Work,
    options: JobOptions = JobOptions(),
    id: JobID<Work> = JobID()
  ) throws(JobError) {
    try options.validate()
    let payload = try JobCoding.encode(job, what: "job \(Work.name)")
    self.init(id: id.raw, name: Work.name, payload: payload, options: options)
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What went wrong in the queue itself, and what to do about it.
///
/// Compare `code`, never the text of `message`.
public struct JobError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible, InvalidOptionCode {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The encoded job, checkpoint or result is larger than its limit; keep the data elsewhere and pass a reference.
    public static let payloadTooLarge = Self("payloadTooLarge")
    /// The payload, result or checkpoint can't be encoded or decoded as the type asked for.
    public static let undecodable = Self("undecodable")
    /// No handler of this worker knows the job's name.
    public static let unknownName = Self("unknownName")
    /// The job's lease was lost: another worker may be running it, so nothing of this run may be kept.
    public static let leaseLost = Self("leaseLost")
    /// The job was cancelled.
    public static let cancelled = Self("cancelled")
    /// The run took longer than its worker allows: see ``JobWorker/Options/runTimeLimit``.
    public static let timedOut = Self("timedOut")
    /// The job failed for good and is kept as a dead letter.
    public static let dead = Self("dead")
    /// The store doesn't know the job, or its result is no longer kept.
    public static let notFound = Self("notFound")
    /// The queue holds as many jobs as it may.
    public static let queueFull = Self("queueFull")
    /// An option lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How far a batch is.
public struct BatchProgress: Hashable, Sendable, Codable {
  /// Where a batch is in its life.
  public enum State: Int, Hashable, Sendable, Codable {
    /// Its lines are being taken in; submit it again if that was interrupted.
    case submitting
    /// Its lines are taken in and being answered, or all answered.
    case answering
    /// It was cancelled: what had no answer then gets none.
    case cancelled
  }

  /// The batch.
  public var id: BatchID
  /// Whose batch it is.
  public var tenant: TenantID
  /// Where it is in its life.
  public var state: State
  /// The lines with a request that its input has.
  public var total: Int
  /// The lines taken in so far.
  public var taken: Int
  /// The lines that were answered.
  public var succeeded: Int
  /// The lines whose result is an error.
  public var failed: Int
  /// Tokens of the prompts that were answered.
  public var promptTokens: Int
  /// Tokens of the answers.
  public var completionTokens: Int

  /// Whether every line has its result.
  public var isFinished: Bool {
    switch state {
    case .submitting: false
    case .answering, .cancelled: settled == taken
    }
  }

  /// The lines that have a result; like ``open`` clamped, as a row that is damaged must not stop the process.
  package var settled: Int {
    let (sum, overflow) = succeeded.addingReportingOverflow(failed)
    return overflow ? (failed < 0 ? .min : .max) : sum
  }

  /// The lines that have no result yet.
  var open: Int {
    let (difference, overflow) = total.subtractingReportingOverflow(settled)
    return overflow ? (total < 0 ? .min : .max) : difference
  }

  /// How much is done, 0…1.
  public var fraction: Double { total > 0 ? Double(settled) / Double(total) : 0 }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

/// Decides what becomes of a line whose answer failed: pure, so that it is tested without a model.
enum BatchLineVerdict {
  /// The line's result, or the error to throw so that the line is tried again.
  enum Outcome {
    case result(BatchResult)
    case again(any Error)
  }

  /// Judges a failed answer.
  ///
  /// - Parameters:
  ///   - error: What the model threw.
  ///   - isLastAttempt: Whether the line has used up its attempts, so that a failure becomes its result.
  ///   - pause: How long to wait after a refusal that doesn't say.
  /// - Returns: What becomes of the line.
  static func outcome(of error: any Error, isLastAttempt: Bool, pause: Duration) -> Outcome {
    if error is CancellationError { return .again(error) }
    if let refusal = error as? RequestError {
      switch refusal.code {
      case .overloaded, .unavailable:
        // Live traffic goes first; waiting for it is no failure of the line.
        return .again(JobDisposition.snooze(for: max(.zero, refusal.retryAfter ?? pause)))
      case .budgetExhausted:
        if let wait = refusal.retryAfter { return .again(JobDisposition.snooze(for: max(.zero, wait))) }
        return .result(failure(refusal))
      case .invalidOption, .unsupportedFormat, .unsatisfiableFormat, .emptyRequest:
        // The same request is refused every time.
        return .result(failure(refusal))
      default: break
      }
    }
    return isLastAttempt ? .result(failure(error)) : .again(error)
  }

  static func failure(_ error: any Error) -> BatchResult {
    switch error {
    case let error as BatchError: .failure(code: error.code.description, message: error.message)
    case let error as RequestError: .failure(code: error.code.description, message: error.message)
    default: .failure(code: "modelFailed", message: String(describing: error))
    }
  }
}

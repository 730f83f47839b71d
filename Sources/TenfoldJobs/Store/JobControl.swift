// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What an operator can tell a store to do.
public enum JobControl: Sendable {
  /// End these jobs: waiting ones at once, running ones when their worker hears of it.
  case cancel([RawJobID])
  /// Hand out no more jobs of the queue.
  case pause(QueueName)
  /// Hand out jobs of the queue again.
  case resume(QueueName)
  /// Put dead letters back into their queue with a new budget of attempts; they keep their ids.
  case replay([RawJobID])
  /// Delete dead letters.
  case purge([RawJobID])
}

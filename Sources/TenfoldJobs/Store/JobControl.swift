// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

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
  /// Give a tenant this share, 1…1000, of what is handed out, compared with the others that wait; 1 unless set.
  case weigh(TenantID, Int)
  /// Delete dead letters.
  case purge([RawJobID])
}

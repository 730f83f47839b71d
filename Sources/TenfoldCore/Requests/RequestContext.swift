// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What surrounds a request: whose it is, how long it may take, what it may cost, and the trace it leaves.
public struct RequestContext: Sendable {
  /// Whose request this is; there is no default.
  public var tenant: TenantID
  /// How much it matters when there is not room for all.
  public var priority: RequestPriority
  /// The instant after which nobody waits any more, or `nil`.
  public var deadline: ContinuousClock.Instant?
  /// The request's name in logs and traces.
  public var id: RequestID
  /// The most the answer may cost, or `nil`.
  public var costCeiling: Money?
  /// Which caches may answer and store.
  public var cachePolicy: CachePolicy
  /// The conversation that the request goes on with, or `nil` for a question by itself.
  public var conversation: ConversationID?
  /// The stages that the request went through; shared by every copy of the context.
  public var trace: RequestTrace

  /// Creates a context for one request.
  public init(
    tenant: TenantID,
    priority: RequestPriority = .normal,
    deadline: ContinuousClock.Instant? = nil,
    id: RequestID = RequestID(),
    costCeiling: Money? = nil,
    cachePolicy: CachePolicy = .standard,
    conversation: ConversationID? = nil,
    trace: RequestTrace = RequestTrace()
  ) {
    self.tenant = tenant
    self.priority = priority
    self.deadline = deadline
    self.id = id
    self.costCeiling = costCeiling
    self.cachePolicy = cachePolicy
    self.conversation = conversation
    self.trace = trace
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An error that can be the fault of the request itself, so that another replica of the same model would fail alike.
///
/// Compositions look at it before they try again or take a replica for broken: who asks wrongly must not take a model
/// away from all others. An error that doesn't conform is taken for the model's.
///
/// ```swift
/// extension CrawlError: RequestFault {
///   var isRequestsFault: Bool { code == .invalidAddress }
/// }
/// ```
public protocol RequestFault: Error {
  /// Whether the same request fails wherever it is sent, and other requests don't.
  var isRequestsFault: Bool { get }
}

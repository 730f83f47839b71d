// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Texts about runs that a store keeps: errors and messages, which may hold a whole answer of a service.
enum NoteText {
  static let limitInBytes = 4 << 10
  /// Why a job that expired is a dead letter.
  static let expired = "it expired before it started (JobOptions.expiresAfter): replay it if it is wanted"

  /// As much of a text as is kept, at most 4 KiB of UTF-8: whole characters, and a sign that some are missing.
  static func clipped(_ text: String) -> String {
    guard text.utf8.count > limitInBytes else { return text }
    let room = limitInBytes - "…".utf8.count
    var (bytes, end) = (0, text.startIndex)
    while end < text.endIndex {
      let next = text.index(after: end)
      bytes += text.utf8.distance(from: end, to: next)
      if bytes > room { break }
      end = next
    }
    if end > text.startIndex { return text[..<end] + "…" }
    // One character that takes more than that by its accents.
    (bytes, end) = (0, text.startIndex)
    for scalar in text.unicodeScalars {
      bytes += scalar.utf8.count
      if bytes > room { break }
      text.unicodeScalars.formIndex(after: &end)
    }
    return String(text.unicodeScalars[..<end]) + "…"
  }
}

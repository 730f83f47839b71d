// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a model is asked: a conversation for its chat template, or text that it continues as it stands.
public enum InferencePrompt: Hashable, Sendable, Codable {
  /// Turns that the model's own chat template renders, followed by the start of an assistant turn.
  case chat([ChatMessage])
  /// Text that the model continues; no template and no control tokens are added.
  case text(String)
}

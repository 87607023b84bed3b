//! Which key, button or stick means what.

use bevy::prelude::*;

/// One thing that can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A key by its place on the keyboard.
    Key(KeyCode),
    /// A mouse button, while the cursor is captured.
    Mouse(MouseButton),
    /// A button of any gamepad.
    Pad(GamepadButton),
}

/// What the player's devices mean. Change it at any time.
///
/// | intent | keyboard and mouse | gamepad |
/// |---|---|---|
/// | walk | W A S D, arrows | left stick |
/// | look | mouse, after a click into the window; Esc lets go | right stick |
/// | jump | space | A / cross |
/// | push | E, left button | right trigger |
/// | grab | F, right button | left trigger |
/// | throw | Q, middle button | X / square |
#[derive(Resource, Debug, Clone, PartialEq)]
pub struct ActionBindings {
    /// Walk ahead.
    pub forward: Vec<Trigger>,
    /// Walk back.
    pub back: Vec<Trigger>,
    /// Walk left.
    pub left: Vec<Trigger>,
    /// Walk right.
    pub right: Vec<Trigger>,
    /// Jump.
    pub jump: Vec<Trigger>,
    /// Shove what stands ahead.
    pub push: Vec<Trigger>,
    /// Carry.
    pub grab: Vec<Trigger>,
    /// Throw what is carried.
    pub throw: Vec<Trigger>,
    /// Turn per pixel of mouse motion, radians.
    pub mouse_rad_per_pixel: f32,
    /// Turn per second at full stick, radians.
    pub stick_rad_per_s: f32,
    /// The mouse looks up when it is pulled back.
    pub invert_y: bool,
    /// Capture the cursor on a click into the window.
    pub capture_cursor: bool,
}

impl Default for ActionBindings {
    fn default() -> Self {
        use Trigger::{Key, Mouse, Pad};
        Self {
            forward: vec![Key(KeyCode::KeyW), Key(KeyCode::ArrowUp), Pad(GamepadButton::DPadUp)],
            back: vec![Key(KeyCode::KeyS), Key(KeyCode::ArrowDown), Pad(GamepadButton::DPadDown)],
            left: vec![Key(KeyCode::KeyA), Key(KeyCode::ArrowLeft), Pad(GamepadButton::DPadLeft)],
            right: vec![
                Key(KeyCode::KeyD),
                Key(KeyCode::ArrowRight),
                Pad(GamepadButton::DPadRight),
            ],
            jump: vec![Key(KeyCode::Space), Pad(GamepadButton::South)],
            push: vec![
                Key(KeyCode::KeyE),
                Mouse(MouseButton::Left),
                Pad(GamepadButton::RightTrigger2),
            ],
            grab: vec![
                Key(KeyCode::KeyF),
                Mouse(MouseButton::Right),
                Pad(GamepadButton::LeftTrigger2),
            ],
            throw: vec![Key(KeyCode::KeyQ), Mouse(MouseButton::Middle), Pad(GamepadButton::West)],
            mouse_rad_per_pixel: 0.0022,
            stick_rad_per_s: 2.5,
            invert_y: false,
            capture_cursor: true,
        }
    }
}

//! From devices to intent, once a frame; ticks take from it what has gathered.

use std::time::Instant;

use bevy::ecs::system::SystemParam;
use bevy::input::mouse::AccumulatedMouseMotion;
use bevy::prelude::*;
use bevy::window::{CursorGrabMode, CursorOptions, PrimaryWindow};
use reverie_runtime::profile_scope;

use super::bindings::{ActionBindings, Trigger};
use super::{ActionSource, PlayerAction};

/// What devices said since the last tick.
#[derive(Resource, Default)]
pub(super) struct DeviceIntent {
    /// Buttons stay set until a tick has seen them, so that none is too short.
    gathered: PlayerAction,
    /// Held at the last sample.
    held: PlayerAction,
    /// Of the last sample.
    sampled_at: Option<Instant>,
}

impl DeviceIntent {
    /// The intent of one tick, and when its newest part was sampled. A turn is told once.
    pub(super) fn take(&mut self) -> (PlayerAction, Option<Instant>) {
        let taken = self.gathered;
        self.gathered = PlayerAction { look: Vec2::ZERO, ..self.held };
        (taken, self.sampled_at)
    }

    fn gather(&mut self, now: PlayerAction) {
        let before = self.gathered;
        self.gathered = PlayerAction {
            walk: now.walk,
            look: before.look + now.look,
            jump: before.jump || now.jump,
            push: before.push || now.push,
            grab: before.grab || now.grab,
            throw: before.throw || now.throw,
        };
        self.held = now;
        self.sampled_at = Some(Instant::now());
    }
}

/// All devices; a game without one of them lacks nothing.
#[derive(SystemParam)]
pub(super) struct Devices<'w, 's> {
    keys: Option<Res<'w, ButtonInput<KeyCode>>>,
    buttons: Option<Res<'w, ButtonInput<MouseButton>>>,
    motion: Option<Res<'w, AccumulatedMouseMotion>>,
    pads: Query<'w, 's, &'static Gamepad>,
    cursor: Query<'w, 's, &'static CursorOptions, With<PrimaryWindow>>,
}

impl Devices<'_, '_> {
    fn captured(&self) -> bool {
        self.cursor.iter().any(|cursor| cursor.grab_mode != CursorGrabMode::None)
    }

    fn held(&self, triggers: &[Trigger]) -> bool {
        triggers.iter().any(|trigger| match trigger {
            Trigger::Key(key) => {
                self.keys.as_ref().is_some_and(|keys| keys.pressed(*key) || keys.just_pressed(*key))
            }
            Trigger::Mouse(button) => {
                self.captured()
                    && self.buttons.as_ref().is_some_and(|buttons| {
                        buttons.pressed(*button) || buttons.just_pressed(*button)
                    })
            }
            Trigger::Pad(button) => {
                self.pads.iter().any(|pad| pad.pressed(*button) || pad.just_pressed(*button))
            }
        })
    }

    fn sticks(&self) -> (Vec2, Vec2) {
        self.pads.iter().fold((Vec2::ZERO, Vec2::ZERO), |(left, right), pad| {
            (left + pad.left_stick(), right + pad.right_stick())
        })
    }
}

pub(super) fn sample(
    source: Res<ActionSource>,
    bindings: Res<ActionBindings>,
    time: Res<Time>,
    devices: Devices,
    mut intent: ResMut<DeviceIntent>,
) {
    if *source != ActionSource::Devices {
        return;
    }
    profile_scope!("input sample");
    let axis = |plus: &[Trigger], minus: &[Trigger]| {
        f32::from(u8::from(devices.held(plus))) - f32::from(u8::from(devices.held(minus)))
    };
    let (left, right) = devices.sticks();
    let walk = left
        + Vec2::new(axis(&bindings.right, &bindings.left), axis(&bindings.forward, &bindings.back));
    let mouse =
        devices.motion.as_ref().filter(|_| devices.captured()).map_or(Vec2::ZERO, |m| m.delta);
    // Screens count y downwards.
    let up = if bindings.invert_y { 1.0 } else { -1.0 };
    let look = bindings.mouse_rad_per_pixel * Vec2::new(mouse.x, up * mouse.y)
        + bindings.stick_rad_per_s * time.delta_secs() * Vec2::new(right.x, -up * right.y);
    intent.gather(PlayerAction {
        walk: walk.clamp_length_max(1.0),
        look,
        jump: devices.held(&bindings.jump),
        push: devices.held(&bindings.push),
        grab: devices.held(&bindings.grab),
        throw: devices.held(&bindings.throw),
    });
}

/// A click captures the cursor, Esc or another window lets it go.
pub(super) fn hold_cursor(
    source: Res<ActionSource>,
    bindings: Res<ActionBindings>,
    buttons: Option<Res<ButtonInput<MouseButton>>>,
    keys: Option<Res<ButtonInput<KeyCode>>>,
    mut windows: Query<(&Window, &mut CursorOptions), With<PrimaryWindow>>,
) {
    if !bindings.capture_cursor {
        return;
    }
    for (window, mut cursor) in &mut windows {
        let captured = cursor.grab_mode != CursorGrabMode::None;
        let escape = keys.as_ref().is_some_and(|keys| keys.just_pressed(KeyCode::Escape));
        let click = buttons.as_ref().is_some_and(|b| b.just_pressed(MouseButton::Left));
        if captured && (escape || !window.focused || *source != ActionSource::Devices) {
            cursor.grab_mode = CursorGrabMode::None;
            cursor.visible = true;
        } else if !captured && click && window.focused && *source == ActionSource::Devices {
            cursor.grab_mode = CursorGrabMode::Locked;
            cursor.visible = false;
        }
    }
}

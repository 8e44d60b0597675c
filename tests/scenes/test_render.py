import numpy as np

from densevision.scenes import CLASSES, render_frame, render_scene
from densevision.scenes.canvas import Camera, clip_near

OFFICIAL_IDS = {7, 8, 11, 17, 19, 20, 21, 22, 23, 24, 26, 28}


def test_camera_projects_by_hand():
    camera = Camera(focal=100, center=(320, 180), height=1.5, curve=0.001)
    # 10 m ahead: u = 320 + 100 * (2 / 10 + 0.001 * 10), v = 180 + 100 * (1.5 - 0.5) / 10
    assert camera.project([(2.0, 0.5, 10.0)]) == [(341.0, 190.0)]


def test_clip_near_cuts_a_square_in_half():
    square = [(0.0, 0.0, 0.2), (1.0, 0.0, 0.2), (1.0, 0.0, 2.2), (0.0, 0.0, 2.2)]  # NEAR = 1.2 is half-way
    kept = np.array(clip_near(square))
    assert np.allclose(sorted(map(tuple, kept)), [(0, 0, 1.2), (0, 0, 2.2), (1, 0, 1.2), (1, 0, 2.2)])
    assert len(clip_near([(0.0, 0.0, 0.2), (1.0, 0.0, 0.3), (1.0, 1.0, 0.4)])) == 0


def test_scene_is_a_function_of_the_seed():
    first, again, other = (render_scene(seed, (180, 320)) for seed in (3, 3, 4))
    assert (first.image == again.image).all() and (first.label_ids == again.label_ids).all()
    assert (first.boxes == again.boxes).all()
    assert (first.image != other.image).mean() > 0.3


def test_scenes_contain_official_ids_and_every_class():
    scenes = [render_scene(seed) for seed in range(12)]
    assert set(np.unique([scene.label_ids for scene in scenes])) <= OFFICIAL_IDS
    seen = np.concatenate([scene.labels for scene in scenes])
    assert set(seen) == set(range(len(CLASSES)))
    assert 5 <= len(seen) / len(scenes) <= 25


def test_boxes_are_tight_around_the_visible_pixels():
    for seed in range(5):
        scene = render_scene(seed)
        for index, box in enumerate(scene.boxes):
            rows, columns = np.nonzero(scene.instances == index + 1)
            assert box[3] - box[1] >= 32
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            ids = np.unique(scene.label_ids[scene.instances == index + 1])
            assert ids.tolist() == [(24, 26, 28, 19, 20)[scene.labels[index]]]


def test_drive_moves_smoothly():
    frames = [render_frame(5, 1.0, seconds, (180, 320)).astype(int) for seconds in (0.0, 0.04, 0.8)]
    step, jump = np.abs(frames[1] - frames[0]).mean(), np.abs(frames[2] - frames[0]).mean()
    assert 0.5 < step < jump / 2

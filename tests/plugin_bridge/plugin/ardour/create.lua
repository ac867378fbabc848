-- A session with one stereo track; its region is written into the file afterwards, which Lua alone
-- cannot do.
local session = assert (create_session (os.getenv ("FOLDER"), "song", 48000))
session:new_audio_track (
	2, 2, nil, 1, "song", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
session:save_state ("", false, false, false, false, false)
session:close ()
quit ()

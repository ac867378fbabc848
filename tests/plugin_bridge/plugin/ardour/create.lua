-- A session with two stereo tracks; regions are written into the file afterwards, which Lua alone
-- cannot do.
local session = assert (create_session (os.getenv ("FOLDER"), "song", 48000))
for _, name in ipairs { "song", "bass" } do
	session:new_audio_track (
		2, 2, nil, 1, name, ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
end
session:save_state ("", false, false, false, false, false)
session:close ()
quit ()

-- What is selected in the editor, and its audio as files that the server can read.

local sound = {}

local CONTEXT = 10.24 -- seconds on either side that the model can hear
local CHECKED = 4096 -- samples compared at both ends of a region

local function audio_track (route)
	local track = route:to_track ()
	if track:isnil () or track:to_audio_track ():isnil () then return nil end
	return track
end

local function track_of (region)
	for route in Session:get_tracks ():iter () do
		local track = route:to_track ()
		if not track:playlist ():region_by_id (region:to_stateful ():id ()):isnil () then return track end
	end
end

-- The selection as pieces { track, region (nil for a range), first, last }, in samples of the
-- session; a time range counts for every selected track.
function sound.pieces ()
	local selection, pieces = Editor:get_selection (), {}
	local first, last = selection.time:start_sample (), selection.time:end_sample ()
	if first < last then
		for route in selection.tracks:routelist ():iter () do
			local track = audio_track (route)
			if track then pieces[#pieces + 1] = { track = track, first = first, last = last } end
		end
	else
		for region in selection.regions:regionlist ():iter () do
			local track = not region:to_audioregion ():isnil () and track_of (region)
			if track then
				first = region:position ():samples ()
				pieces[#pieces + 1] = {
					track = track, region = region:to_audioregion (),
					first = first, last = first + region:length ():samples (),
				}
			end
		end
	end
	-- A selection has no order of its own: take the editor's, from the top down.
	table.sort (pieces, function (a, b)
		local above = a.track:presentation_info_ptr ():order ()
		local below = b.track:presentation_info_ptr ():order ()
		return above < below or above == below and a.first < b.first
	end)
	if #pieces == 0 then
		error ("Select audio regions, or a range on audio tracks.", 0)
	end
	return pieces
end

-- True if the track plays at these samples just what the region's files hold: no longer fade than
-- the default one, no gain, no other region on top.
local function heard_as_stored (piece, first, count)
	local region, playlist = piece.region, piece.track:playlist ():to_audioplaylist ()
	local heard, mix, gain = ARDOUR.DSP.DspShm (count), ARDOUR.DSP.DspShm (count), ARDOUR.DSP.DspShm (count)
	local stored = ARDOUR.DSP.DspShm (count)
	for channel = 0, region:n_channels () - 1 do
		playlist:read (heard:to_float (0), mix:to_float (0), gain:to_float (0),
			Temporal.timepos_t (first), Temporal.timecnt_t.from_samples (count), channel)
		region:to_readable ():read (stored:to_float (0), first - piece.first, count, channel)
		local a, b = heard:to_float (0):array (), stored:to_float (0):array ()
		for index = 1, count do
			if math.abs (a[index] - b[index]) > 1e-6 then return false end
		end
	end
	return true
end

-- True if the region's files can be sent as they are. Files outside the session's own folder
-- might have another rate.
local function is_plain (piece)
	local region, fade = piece.region, 64
	if region:scale_amplitude () ~= 1 or region:envelope_active () or region:muted () then return false end
	for channel = 0, region:n_channels () - 1 do
		local source = region:source (channel):to_filesource ()
		if source:isnil () or not source:path ():find (Session:path () .. "/interchange/", 1, true) then
			return false
		end
	end
	local inner = piece.last - piece.first - 2 * fade
	local count = math.min (CHECKED, inner)
	return count > 0
		and heard_as_stored (piece, piece.first + fade, count)
		and heard_as_stored (piece, piece.last - fade - count, count)
end

local function joined_paths (region)
	local paths, seen = {}, {}
	for channel = 0, region:n_channels () - 1 do
		local path = region:source (channel):to_filesource ():path ()
		if not seen[path] then
			seen[path] = true
			paths[#paths + 1] = path
		end
	end
	return table.concat (paths, "\t") -- mono files: the channels of one sound, in order
end

-- Write what the track plays before its plug-ins from `first` to `last`, and return the files.
local function bounce (track, first, last)
	local name = string.format ("bandmate-%s-%06d", os.date ("%Y%m%d-%H%M%S"),
		ARDOUR.LuaAPI.monotonic_time () % 1000000)
	local region = track:bounce_range (first, last, ARDOUR.InterThreadInfo (), ARDOUR.LuaAPI.nil_proc (), false, name)
	if region:isnil () then error ("Ardour could not write the audio of " .. track:name (), 0) end
	return joined_paths (region:to_audioregion ())
end

local function last_sample (tracks)
	local last = 0
	for _, track in ipairs (tracks) do
		for region in track:playlist ():region_list ():iter () do
			last = math.max (last, region:position ():samples () + region:length ():samples ())
		end
	end
	return last
end

-- The range with what is around it, as far as the tracks have anything there.
local function with_context (tracks, first, last)
	local around = math.floor (CONTEXT * Session:nominal_sample_rate ())
	local from = math.max (0, first - around)
	return from, math.max (last, math.min (last + around, last_sample (tracks)))
end

-- Return the files of a piece, where it starts in them (samples), and whether its fades are in
-- them already.
function sound.files (piece)
	if piece.region and is_plain (piece) then
		return joined_paths (piece.region), piece.region:start ():samples (), false
	end
	local from, to = with_context ({ piece.track }, piece.first, piece.last)
	return bounce (piece.track, from, to), piece.first - from, true
end

-- Return the files of several tracks from the same moment on, and where `first` is in them.
function sound.aligned (tracks, first, last)
	local from, to = with_context (tracks, first, last)
	local files = {}
	for index, track in ipairs (tracks) do files[index] = bounce (track, from, to) end
	return files, first - from
end

-- The tracks of the pieces, each once, and the range that covers them all.
function sound.span (pieces)
	local tracks, seen, first, last = {}, {}, math.huge, 0
	for _, piece in ipairs (pieces) do
		local id = piece.track:to_stateful ():id ():to_s ()
		if not seen[id] then
			seen[id] = true
			tracks[#tracks + 1] = piece.track
		end
		first, last = math.min (first, piece.first), math.max (last, piece.last)
	end
	return tracks, first, last
end

return sound
